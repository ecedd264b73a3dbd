#!/bin/sh
# @loaders.gl/csv 4.5.2, deck.gl's reader of CSV data in st.pydeck_chart: it guesses types and header.
#
# Expected: the first line names the columns, and a column of names is text.
# Seen:     each value is guessed by itself. A repository called 007 is 7 and one called true is a boolean; the short
#           commit 123e4567 is Infinity. And if one name of a column looks like a number, the first line is taken for
#           data: the columns are called column1, column2 and a row is added.
# Matters:  tooltips and selections name what does not exist, and a table with a column for each year
#           (login,2025,2026) loses the columns that its accessors ask for. There is no error in either case.
# Instead:  send JSON, or load with {csv: {dynamicTyping: false, header: true}} and make numbers of numbers yourself.
#           Do not call a column by digits alone.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
npm install --silent --no-audit --no-fund --prefix "$tmp" @loaders.gl/core@4.5.2 @loaders.gl/csv@4.5.2
cat > run.mjs <<'JS'
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {parse} from '@loaders.gl/core';
import {CSVLoader} from '@loaders.gl/csv';

const NAMES = 'name,commit,stars\n007,123e4567,1\ntrue,89abcdef,2\n';
const YEARS = 'login,2025\nada,5\n';
const read = async (text, csv = {}) => (await parse(text, CSVLoader, {csv})).data;
const told = {dynamicTyping: false, header: true};

const names = await read(NAMES);
const years = await read(YEARS);
const version = JSON.parse(readFileSync('node_modules/@loaders.gl/csv/package.json')).version;
console.log(
  `@loaders.gl/csv ${version}: names 007 and true, commit 123e4567, expected text;`,
  'seen', names.map((row) => row.name), names[0].commit,
  '| header login,2025, expected one row of that; seen', years
);
assert.deepEqual(names.map((row) => row.name), [7, true]);
assert.equal(names[0].commit, Infinity);
assert.deepEqual(years, [{column1: 'login', column2: 2025}, {column1: 'ada', column2: 5}]);
assert.deepEqual((await read(NAMES, told))[0], {name: '007', commit: '123e4567', stars: '1'});
assert.deepEqual(await read(YEARS, told), [{login: 'ada', 2025: '5'}]);
JS
node run.mjs
