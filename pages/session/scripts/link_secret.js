// Tell the page the secret of its link: it follows a #, so that it was never sent, logged or handed on.
export default function ({ data, setStateValue }) {
  const look = () => {
    const secret = location.hash.slice(1);
    if (secret !== data.told) setStateValue("secret", secret);
  };
  look();
  addEventListener("hashchange", look);
  return () => removeEventListener("hashchange", look);
}
