// Count down to the reset of a limit; then let the page run again by itself, if it may.
let timer;

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector("span") ?? parentElement.appendChild(document.createElement("span"));
  const resetsAt = Date.now() + data.seconds_left * 1000;
  clearInterval(timer);
  const show = () => {
    const left = Math.ceil((resetsAt - Date.now()) / 1000);
    const minutes = Math.floor(left / 60);
    const seconds = `${left % 60} s`;
    root.textContent = left > 0 ? `Continues in ${minutes ? `${minutes} min ${seconds}` : seconds}` : "You can continue.";
    if (left > 0) return;
    clearInterval(timer);
    if (data.resumes_automatically) setTriggerValue("finished", true);
  };
  timer = setInterval(show, 250);
  show();
  return () => clearInterval(timer);
}
