"""The 3D scene: layout, camera, colours and the deck.gl layers."""
