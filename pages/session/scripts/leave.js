// Go to another page of ours as if its address had been typed.
export default function ({ data }) {
  location.replace(data.to);
}
