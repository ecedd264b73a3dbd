"""The 3D scene: layout, camera, colours and deck.gl layers."""
