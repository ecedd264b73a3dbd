// Load another page of ours as if its URL had been typed.
export default function ({ data }) {
  location.replace(data.path);
}
