// Report the secret of a link: it is the URL's fragment, which browsers never send, so no server logs it.
export default function ({ data, setStateValue }) {
  const report = () => {
    const secret = location.hash.slice(1);
    if (secret !== data.reported) setStateValue("secret", secret);
  };
  report();
  addEventListener("hashchange", report);
  return () => removeEventListener("hashchange", report);
}
