// Set the autocomplete attributes that Streamlit's fields lack, focus a field, and mark password rules as they are met.
const RELOADED_KEY = "almanac-sign-in-again"; // sign_in.js sets it
const RULES = [
  ["8 to 128 characters", (text) => [...text].length >= 8 && [...text].length <= 128],
  ["a capital letter", (text) => /\p{Lu}/u.test(text)],
  ["a digit", (text) => /\p{Nd}/u.test(text)],
];
const field = (label) => document.querySelector(`.stMain input[aria-label="${CSS.escape(label)}"]`);

const markRules = (list, text) => {
  for (const [index, [, isMet]] of RULES.entries()) list.children[index].dataset.met = isMet(text);
};

const ruleList = (root) => {
  let list = root.querySelector("ul");
  if (!list) {
    list = document.createElement("ul");
    list.append(...RULES.map(([rule]) => Object.assign(document.createElement("li"), { textContent: rule })));
    root.append("A password needs", list);
  }
  return list;
};

export default function ({ data, parentElement, setStateValue }) {
  const list = data.rules_for ? ruleList(parentElement) : null;
  const onInput = (event) => markRules(list, event.target.value);
  let observedField;
  const annotate = () => {
    for (const [label, value] of Object.entries(data.autocomplete)) field(label)?.setAttribute("autocomplete", value);
    const first = data.focus && field(data.focus);
    if (first && !first.value && document.activeElement === document.body) first.focus({ preventScroll: true });
    const passwordField = list && field(data.rules_for);
    if (passwordField && passwordField !== observedField) {
      observedField?.removeEventListener("input", onInput);
      passwordField.addEventListener("input", onInput);
      markRules(list, passwordField.value);
      observedField = passwordField;
    }
  };
  const observer = new MutationObserver(annotate);
  observer.observe(document.querySelector(".stMain"), { childList: true, subtree: true });
  annotate();
  if (data.checks_reload && sessionStorage.getItem(RELOADED_KEY)) setStateValue("reloaded", true);
  return () => observer.disconnect();
}
