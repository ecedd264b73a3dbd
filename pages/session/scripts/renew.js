// Ask for fresh cookies before anything is shown: the page was left open, or opened, after they had run out.
const AWAY_MS = 3000;
let renewed;

export default async function ({ data, setTriggerValue }) {
  if (renewed === data.attempt) return;
  renewed = data.attempt;
  const answer = await fetch("/auth/refresh", { method: "POST", credentials: "same-origin" }).catch(() => null);
  if (!answer || answer.status >= 500 || answer.status === 429) {
    setTimeout(() => setTriggerValue("told", "away"), AWAY_MS);
  } else if (!answer.ok) {
    setTriggerValue("told", "refused");
  } else if (data.reload) {
    location.reload();
  } else {
    setTriggerValue("told", "renewed");
  }
}
