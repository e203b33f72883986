// The tests of logic.js under node --test; SNAPMGR_PAGE is the folder with the page's modules.
import test from "node:test";
import { pathToFileURL } from "node:url";
import tests from "./logic.js";

const names = ["words", "scale", "lineage", "snapshots", "strip", "retention", "context"];
const base = pathToFileURL(`${process.env.SNAPMGR_PAGE}/`);
const modules = Object.fromEntries(await Promise.all(names.map(async (name) =>
  [name, await import(new URL(`${name}.js`, base))])));
for (const [name, run] of tests(modules)) test(name, run);
