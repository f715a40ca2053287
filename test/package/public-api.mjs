// Holds the public face of each entry against docs/public-api, so that no change of it goes unseen:
// `npm run check:api` fails on one, `npm run check:api -- --update` writes it down for the commit that means it.
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { Extractor, ExtractorConfig } from "@microsoft/api-extractor"

const root = resolve(import.meta.dirname, "../..")
const update = process.argv.includes("--update")
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
const entries = Object.values(manifest.exports).flatMap((entry) => entry.import?.types ?? [])
const scratch = mkdtempSync(join(tmpdir(), "tlsroute-public-api-"))

let changed = 0
for (const types of entries) {
  const name = types.replace("./dist/", "").replace(".d.ts", "")
  const config = ExtractorConfig.prepare({
    configObjectFullPath: undefined,
    packageJsonFullPath: join(root, "package.json"),
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: join(root, types),
      compiler: {
        overrideTsconfig: {
          compilerOptions: {
            target: "ES2022",
            module: "NodeNext",
            moduleResolution: "NodeNext",
            types: ["node"],
            lib: ["ES2023", "ESNext.Disposable"],
            strict: true,
            skipLibCheck: true,
          },
          files: [join(root, types)],
        },
      },
      apiReport: {
        enabled: true,
        reportFileName: name,
        reportFolder: join(root, "docs/public-api"),
        reportTempFolder: scratch,
      },
      // Unix lines wherever it runs, as git has them.
      newlineKind: "lf",
      messages: {
        compilerMessageReporting: { default: { logLevel: "error" } },
        // The comments themselves are typedoc's to check.
        extractorMessageReporting: { default: { logLevel: "none" } },
        tsdocMessageReporting: { default: { logLevel: "none" } },
      },
    },
  })
  const result = Extractor.invoke(config, {
    localBuild: update,
    messageCallback: (message) => {
      // Which compiler reads the declarations, and where the report went, is not what is asked here.
      if (message.logLevel !== "error") message.handled = true
    },
  })
  if (result.errorCount > 0) process.exitCode = 1
  if (!result.apiReportChanged) continue
  changed++
  console.log(`${update ? "wrote" : "changed"}: docs/public-api/${name}.api.md`)
}
rmSync(scratch, { recursive: true })

if (changed > 0 && !update) {
  process.exitCode = 1
  console.log("The public face changed. If that is meant: npm run check:api -- --update, and a line in CHANGELOG.md.")
} else {
  console.log(`${entries.length} entries, ${changed} changed`)
}
