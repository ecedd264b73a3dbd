// What password managers and keyboards need of the forms, whose fields are all marked as not to be filled in.
const AGAIN = "almanac-sign-in-again";
const RULES = [
  ["8 to 128 characters", (text) => [...text].length >= 8 && [...text].length <= 128],
  ["a capital letter", (text) => /\p{Lu}/u.test(text)],
  ["a digit", (text) => /\p{Nd}/u.test(text)],
];
const field = (label) => document.querySelector(`.stMain input[aria-label="${CSS.escape(label)}"]`);

const mark = (list, text) => {
  for (const [index, [, met]] of RULES.entries()) list.children[index].dataset.met = met(text);
};

const listOfRules = (root) => {
  let list = root.querySelector("ul");
  if (!list) {
    list = document.createElement("ul");
    list.append(...RULES.map(([said]) => Object.assign(document.createElement("li"), { textContent: said })));
    root.append("A password has", list);
  }
  return list;
};

export default function ({ data, parentElement, setStateValue }) {
  const list = data.rules_of ? listOfRules(parentElement) : null;
  const onInput = (event) => mark(list, event.target.value);
  let watched;
  const prepare = () => {
    for (const [label, filling] of Object.entries(data.fill)) field(label)?.setAttribute("autocomplete", filling);
    const first = data.focus && field(data.focus);
    if (first && !first.value && document.activeElement === document.body) first.focus({ preventScroll: true });
    const ruled = list && field(data.rules_of);
    if (ruled && ruled !== watched) {
      watched?.removeEventListener("input", onInput);
      ruled.addEventListener("input", onInput);
      mark(list, ruled.value);
      watched = ruled;
    }
  };
  const changes = new MutationObserver(prepare);
  changes.observe(document.querySelector(".stMain"), { childList: true, subtree: true });
  prepare();
  if (data.asks_again && sessionStorage.getItem(AGAIN)) setStateValue("again", true);
  return () => changes.disconnect();
}
