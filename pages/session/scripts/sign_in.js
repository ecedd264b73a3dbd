// Exchange a one-time ticket for session cookies at our own server, then load the requested page.
const RELOADED_KEY = "almanac-sign-in-again"; // annotate_fields.js reads it
let lastAttempt;

const exchange = (ticket) =>
  fetch("/auth/session", {
    method: "POST",
    credentials: "same-origin",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ticket }),
  }).catch(() => ({ status: 0 }));

export default async function ({ data, setTriggerValue }) {
  if (lastAttempt === data.attempt) return;
  lastAttempt = data.attempt;
  const { status } = await exchange(data.ticket);
  if (status === 204) {
    sessionStorage.removeItem(RELOADED_KEY);
    storeTheme(data.theme, data.paths);
    // Without the fragment: it may be the secret of a link.
    location.replace(data.next || location.pathname + location.search);
  } else if (status === 401 && !sessionStorage.getItem(RELOADED_KEY)) {
    // The page is older than the nonce cookie that binds it to this browser: a reload gets the new cookie.
    sessionStorage.setItem(RELOADED_KEY, "1");
    location.reload();
  } else {
    sessionStorage.removeItem(RELOADED_KEY);
    setTriggerValue("refused", String(status));
  }
}
