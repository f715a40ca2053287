import type { DocumentFault } from "./yaml-document.ts"

/**
 * Says of a document that cannot be read what its author most likely did, where that can be told: one fault with the
 * way out, for the reader's own and all that follow from it.
 */
export function helpWith(text: string, faults: readonly DocumentFault[]): readonly DocumentFault[] {
  const first = faults.find(({ severity }) => severity === "error")
  if (first === undefined) return faults
  const helped =
    conflictFault(text) ??
    templateFault(text) ??
    variableFault(text, first) ??
    separatorFault(faults) ??
    wildcardFault(text, first) ??
    jsonFault(text, first) ??
    colonFault(text, first)
  return helped === undefined ? faults : [helped]
}

/** Helm's charts, and other Go templates, are YAML only once they are rendered. */
function templateFault(text: string): DocumentFault | undefined {
  const start = text.search(/\{\{-?\s*[\w.$"`(/]|\{%-?\s*\w/)
  if (start === -1) return undefined
  const how = text.startsWith("{%", start) ? "" : ": helm template RELEASE CHART | tlsroute check -"
  const message = `a template, which is YAML only once it is rendered${how}`
  return { severity: "error", code: "Template", message, ...placeOf(text, start) }
}

/** `${PORT}` that a shell or envsubst fills in; where it is what cannot be read. */
function variableFault(text: string, { line }: DocumentFault): DocumentFault | undefined {
  const written = text.split("\n", line)[line - 1] ?? ""
  const start = written.search(/\$\{\w+\}/)
  if (start === -1) return undefined
  const message = "a variable, which has to be filled in first: envsubst < FILE | tlsroute check -"
  return { severity: "error", code: "Template", message, line, column: start + 1 }
}

/** What git leaves in a file that two changed. */
function conflictFault(text: string): DocumentFault | undefined {
  const start = text.search(/^<{7} .*$/m)
  if (start === -1 || !/^={7}$/m.test(text)) return undefined
  const message = "a merge conflict starts here: choose between its two sides"
  return { severity: "error", code: "InvalidYaml", message, ...placeOf(text, start) }
}

/** A key and its value without the colon are one word to YAML, which runs on into the next line. */
function colonFault(text: string, fault: DocumentFault): DocumentFault | undefined {
  if (!fault.message.startsWith("Implicit keys need to be on a single line")) return undefined
  const written = (text.split("\n", fault.line)[fault.line - 1] ?? "").slice(fault.column - 1)
  const [, key] = /^([\w.-]+)(\s|$)/.exec(written) ?? []
  if (key === undefined || written.includes(":")) return undefined
  return { ...fault, message: `a colon is missing behind the key ${key}` }
}

/** A second object in one document shows by its keys: those of the first are there again. */
function separatorFault(faults: readonly DocumentFault[]): DocumentFault | undefined {
  const again = faults.filter(({ code, column }) => code === "DuplicateKey" && column === 1)
  const start = again.find(({ message }) => /"(apiVersion|kind)"/.test(message))
  if (start === undefined || again.length < 2) return undefined
  const message = "a second object starts here: write a line of --- before it"
  return { severity: "error", code: "MissingSeparator", message, line: start.line, column: start.column }
}

/** `*.example.com` without quotes is an alias to YAML. */
function wildcardFault(text: string, { line, column, severity }: DocumentFault): DocumentFault | undefined {
  const written = (text.split("\n", line)[line - 1] ?? "").slice(column - 1)
  const [name] = /^\*(\.[^\s,\]}#]+|(?=\s*($|#|[\],}])))/.exec(written) ?? []
  if (name === undefined) return undefined
  const message = `quote it, as "${name}": a * that is not quoted starts an alias in YAML`
  return { severity, code: "UnquotedWildcard", message, line, column }
}

/** JSON is read as YAML, which words its faults in its own terms. */
function jsonFault(text: string, fault: DocumentFault): DocumentFault | undefined {
  if (!/^\s*[{[]/.test(text)) return undefined
  const told = inTermsOfJson(fault.message)
  return told === undefined ? undefined : { ...fault, code: "InvalidJson", message: `not valid JSON: ${told}` }
}

function inTermsOfJson(message: string): string | undefined {
  if (/^Missing , between flow (map|seq)/.test(message)) return "a comma is missing before this"
  if (message.endsWith("end with a }")) return "a { is not closed"
  if (message.endsWith("end with a ]")) return "a [ is not closed"
  return undefined
}

function placeOf(text: string, offset: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offset).split("\n")
  return { line: before.length, column: (before.at(-1) ?? "").length + 1 }
}
