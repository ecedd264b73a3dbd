// Count the seconds until a limit is over; then let the page go on by itself, if it may.
let over;

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector("span") ?? parentElement.appendChild(document.createElement("span"));
  const until = Date.now() + data.left * 1000;
  clearInterval(over);
  const show = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    const minutes = Math.floor(left / 60);
    const seconds = `${left % 60} s`;
    root.textContent = left > 0 ? `Goes on in ${minutes ? `${minutes} min ${seconds}` : seconds}` : "You can go on.";
    if (left > 0) return;
    clearInterval(over);
    if (data.by_itself) setTriggerValue("over", true);
  };
  over = setInterval(show, 250);
  show();
  return () => clearInterval(over);
}
