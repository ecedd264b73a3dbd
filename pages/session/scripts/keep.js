// Renew the session of a page that is left open, shortly before its cookies run out; several tabs take turns.
const RENEWED = "almanac-renewed";
const USED = 0.7; // of its time an access token is used before the next is asked for
const LONGEST_MS = 2 ** 31 - 1;
let timer;
let due = Infinity;
let until = 0;
let good = 0;
let tell = () => {};

const wait = (moment) => {
  due = moment;
  clearTimeout(timer);
  timer = setTimeout(takeTurn, Math.min(Math.max(0, due - Date.now()), LONGEST_MS));
};

const takeTurn = () => (navigator.locks ? navigator.locks.request(RENEWED, renew) : renew());

async function renew() {
  // Another tab of this browser may have done it: they share their cookies.
  const last = Number(localStorage.getItem(RENEWED)) || 0;
  if (last <= Date.now() && last + good * USED > Date.now()) {
    until = last + good;
    wait(last + good * USED);
    return;
  }
  const answer = await fetch("/auth/refresh", { method: "POST", credentials: "same-origin" }).catch(() => null);
  if (answer?.ok) {
    localStorage.setItem(RENEWED, Date.now());
    until = Date.now() + good;
    wait(Date.now() + good * USED);
  } else if (!answer || answer.status >= 500 || answer.status === 429) {
    wait(Date.now() + Math.min(5000, good / 4));
  } else {
    tell();
    wait(Math.max(until, Date.now()) + 2000);
  }
}

// Timers sleep with the machine and in hidden tabs.
const look = () => {
  if (document.visibilityState === "visible" && Date.now() >= due) takeTurn();
};

export default function ({ data, setTriggerValue }) {
  tell = () => setTriggerValue("refused", true);
  good = data.good * 1000;
  until = Date.now() + data.left * 1000;
  wait(until - good * (1 - USED));
  document.addEventListener("visibilitychange", look);
  addEventListener("focus", look);
  keepTheme(data.theme, data.paths);
  return () => {
    clearTimeout(timer);
    due = Infinity;
    document.removeEventListener("visibilitychange", look);
    removeEventListener("focus", look);
  };
}
