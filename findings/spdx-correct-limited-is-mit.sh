#!/bin/sh
# spdx-correct 3.2.0 (npm): a text with "Limited" in it is the MIT license.
#
# Expected: a text that is not the name of a license is null, as "No idea what license" is in the README.
# Seen:     the last resort looks for short names anywhere, also inside of words. "Limited", "Permitted use only" and
#           "submitted" have "mit" in them and are MIT; "Proprietary, Octo Limited" is, while "Proprietary, Octo Inc."
#           is null. "BSL 1.1", as people call the Business Source License, is BSL-1.0: Boost.
# Matters:  packages that may not be used freely are counted as open source under the license that most others have,
#           so that nobody notices. license-checker and validate-npm-package-license read licenses with it.
# Instead:  keep what was written beside what it became, and take the answer only if the text is one of a list of known
#           spellings, or has the short name as a word of its own (/\bMIT\b/i).
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
npm install --silent --no-audit --no-fund --prefix "$tmp" spdx-correct@3.2.0
cat > run.cjs <<'JS'
const assert = require('node:assert/strict');
const correct = require('spdx-correct');

const {version} = require('spdx-correct/package.json');
const corrected = (texts) => Object.fromEntries(texts.map((text) => [text, correct(text)]));

const seen = corrected(['Proprietary, Octo Limited', 'Permitted use only', 'submitted', 'BSL 1.1']);
const right = corrected(['The MIT License', 'Proprietary, Octo Inc.', 'No idea what license']);
console.log(`spdx-correct ${version}: texts that name no SPDX license, expected null; seen`, seen, '| beside', right);
assert.deepEqual(seen, {
  'Proprietary, Octo Limited': 'MIT', 'Permitted use only': 'MIT', submitted: 'MIT', 'BSL 1.1': 'BSL-1.0'
});
assert.deepEqual(right, {'The MIT License': 'MIT', 'Proprietary, Octo Inc.': null, 'No idea what license': null});
JS
node run.cjs
