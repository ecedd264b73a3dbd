// Bring a one-time ticket to our own server, which answers with the session's cookies; then show the page asked for.
const AGAIN = "almanac-sign-in-again";
let brought;

const bring = (ticket) =>
  fetch("/auth/session", {
    method: "POST",
    credentials: "same-origin",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ticket }),
  }).catch(() => ({ status: 0 }));

export default async function ({ data, setTriggerValue }) {
  if (brought === data.attempt) return;
  brought = data.attempt;
  const { status } = await bring(data.ticket);
  if (status === 204) {
    sessionStorage.removeItem(AGAIN);
    keepTheme(data.theme, data.paths);
    // Without what follows a #: it may be the secret of a link.
    location.replace(data.next || location.pathname + location.search);
  } else if (status === 401 && !sessionStorage.getItem(AGAIN)) {
    // The page was older than the cookie that binds it to this browser: a new one has the new cookie.
    sessionStorage.setItem(AGAIN, "1");
    location.reload();
  } else {
    sessionStorage.removeItem(AGAIN);
    setTriggerValue("refused", String(status));
  }
}
