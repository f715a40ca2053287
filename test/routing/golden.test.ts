import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { caseNames, outputFile, renderCase } from "./golden.ts"

// `npm run test:golden:update` writes the outputs for review; CI must never.
const update = process.env["UPDATE_GOLDEN"] === "1" && process.env["CI"] === undefined

describe("what Gateways and routes come to", () => {
  it.each(caseNames())("%s", (name) => {
    const actual = renderCase(name)
    if (update) writeFileSync(outputFile(name), actual)
    expect(existsSync(outputFile(name)), `${name}.out.yaml is missing: run npm run test:golden:update`).toBe(true)
    expect(actual).toBe(readFileSync(outputFile(name), "utf8"))
  })
})
