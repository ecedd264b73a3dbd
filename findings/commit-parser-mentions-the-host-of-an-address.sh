#!/bin/sh
# conventional-commits-parser 6.4.0 (also 7.1.4): an e-mail address mentions its host as a person.
#
# Expected: "mentions" are the people whom a message names with an @, to thank them say, as in its README.
# Seen:     each e-mail address in a trailer is one too. GitHub's own line for a co-author, with an address at
#           users.noreply.github.com, mentions "users"; Signed-off-by with one at example.org mentions "example".
# Matters:  who is mentioned how often is led by "users" and "gmail", and each co-author adds one. Where mentions
#           become links or notices, they go to whoever has such a login.
# Instead:  take addresses out of the message first, as below, or count an @ only at the start of a word.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
npm install --silent --no-audit --no-fund --prefix "$tmp" conventional-commits-parser@6.4.0
cat > run.mjs <<'JS'
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {CommitParser} from 'conventional-commits-parser';

const MESSAGE = `feat: add a dark mode

Thanks to @ada for the idea.

Co-authored-by: Bob <12345+bob@users.noreply.github.com>
Signed-off-by: Eve <eve@example.org>
`;
const parser = new CommitParser();
const mentions = (message) => parser.parse(message).mentions;

const seen = mentions(MESSAGE);
const without = mentions(MESSAGE.replace(/<[^<>]*@[^<>]*>/g, ''));
const {version} = JSON.parse(readFileSync('node_modules/conventional-commits-parser/package.json'));
console.log(
  `conventional-commits-parser ${version}: a message with @ada and two trailers, expected mentions [ada];`,
  'seen', seen, 'and without the addresses', without
);
assert.deepEqual(seen, ['ada', 'users', 'example']);
assert.deepEqual(without, ['ada']);
JS
node run.mjs
