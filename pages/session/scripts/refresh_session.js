// Refresh expired session cookies before anything is shown: the page was left open, or opened after they expired.
const RETRY_MS = 3000;
let lastAttempt;

export default async function ({ data, setTriggerValue }) {
  if (lastAttempt === data.attempt) return;
  lastAttempt = data.attempt;
  const response = await fetch("/auth/refresh", { method: "POST", credentials: "same-origin" }).catch(() => null);
  if (!response || response.status >= 500 || response.status === 429) {
    setTimeout(() => setTriggerValue("outcome", "unavailable"), RETRY_MS);
  } else if (!response.ok) {
    setTriggerValue("outcome", "refused");
  } else {
    location.reload();
  }
}
