// Refresh the session cookies of an open page shortly before they expire; tabs take turns under a lock.
const REFRESHED_AT_KEY = "almanac-renewed";
const REFRESH_AFTER = 0.7; // share of its lifetime after which an access token is refreshed
const MAX_TIMEOUT_MS = 2 ** 31 - 1;
let timer;
let refreshAt = Infinity;
let expiresAt = 0;
let lifetime = 0;
let reportRefusal = () => {};

const scheduleRefresh = (at) => {
  refreshAt = at;
  clearTimeout(timer);
  timer = setTimeout(refreshInTurn, Math.min(Math.max(0, refreshAt - Date.now()), MAX_TIMEOUT_MS));
};

const refreshInTurn = () => (navigator.locks ? navigator.locks.request(REFRESHED_AT_KEY, refresh) : refresh());

async function refresh() {
  // Another tab of this browser may have refreshed the cookies, which all tabs share.
  const last = Number(localStorage.getItem(REFRESHED_AT_KEY)) || 0;
  if (last <= Date.now() && last + lifetime * REFRESH_AFTER > Date.now()) {
    expiresAt = last + lifetime;
    scheduleRefresh(last + lifetime * REFRESH_AFTER);
    return;
  }
  const response = await fetch("/auth/refresh", { method: "POST", credentials: "same-origin" }).catch(() => null);
  if (response?.ok) {
    localStorage.setItem(REFRESHED_AT_KEY, Date.now());
    expiresAt = Date.now() + lifetime;
    scheduleRefresh(Date.now() + lifetime * REFRESH_AFTER);
  } else if (!response || response.status >= 500 || response.status === 429) {
    scheduleRefresh(Date.now() + Math.min(5000, lifetime / 4));
  } else {
    reportRefusal();
    scheduleRefresh(Math.max(expiresAt, Date.now()) + 2000);
  }
}

// Timers are suspended while the machine sleeps and throttled in hidden tabs.
const refreshIfDue = () => {
  if (document.visibilityState === "visible" && Date.now() >= refreshAt) refreshInTurn();
};

export default function ({ data, setTriggerValue }) {
  reportRefusal = () => setTriggerValue("refused", true);
  lifetime = data.lifetime_seconds * 1000;
  expiresAt = Date.now() + data.seconds_left * 1000;
  scheduleRefresh(expiresAt - lifetime * (1 - REFRESH_AFTER));
  document.addEventListener("visibilitychange", refreshIfDue);
  addEventListener("focus", refreshIfDue);
  storeTheme(data.theme, data.paths);
  return () => {
    clearTimeout(timer);
    refreshAt = Infinity;
    document.removeEventListener("visibilitychange", refreshIfDue);
    removeEventListener("focus", refreshIfDue);
  };
}
