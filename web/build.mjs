// Bundles src/ into the one script of the page, and writes beside it the
// licences of the packages that are in it. `make page` calls it.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const here = import.meta.dirname;
const output = process.argv[2] ?? join(here, "../and_tf/exploring/page");

const result = await build({
  absWorkingDir: here,
  entryPoints: ["src/main.tsx"],
  outfile: join(output, "explore.js"),
  bundle: true,
  minify: true,
  charset: "ascii",
  target: ["chrome105", "firefox105", "safari16"],
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "inline",
  metafile: true,
  write: false,
});

const packages = new Set(
  Object.keys(result.metafile.inputs)
    .map((path) => path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1])
    .filter(Boolean),
);
const described = [];
const notices = [...packages].sort().map((name) => {
  const folder = join(here, "node_modules", name);
  const { version, license } = JSON.parse(
    readFileSync(join(folder, "package.json"), "utf8"),
  );
  const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
  const text = readFileSync(join(folder, file), "utf8").trim();
  const owner = text.match(/^\s*(copyright.*)$/im)?.[1] ?? "";
  described.push(` * ${name} ${version}, ${license}: ${owner}`);
  return `${name} ${version} (${license})\n\n${text.replace(/\r\n/g, "\n")}\n`;
});
const banner = [
  "/*! Made by `make page` from web/. It contains these packages, whose",
  " * licences are in the file NOTICE beside it:",
  " *",
  ...described,
  " */\n",
].join("\n");
writeFileSync(join(output, "explore.js"), banner + result.outputFiles[0].text);
writeFileSync(
  join(output, "NOTICE"),
  ["explore.js contains these packages.\n", ...notices].join(
    `\n${"-".repeat(72)}\n\n`,
  ),
);
