import { suggest } from "../../primitives/suggest.ts"
import type { ObjectRef, ResourceProblem } from "../../routing/resources.ts"
import type { RouteTable } from "../../routing/route-table.ts"
import type { ReadResult } from "../../sources/file-source.ts"
import { printable, type Terminal } from "./terminal.ts"

type Locate = ReadResult["locate"]

/**
 * Leaves out what follows from an error that is told of the object it follows from: mending that mends both. An object
 * that is not there may stand in a document that cannot be read, or under a kind that is misspelt.
 */
export function withoutEchoes(problems: readonly ResourceProblem[]): ResourceProblem[] {
  const errors = new Set(
    problems.flatMap(({ severity, object, cause }) => {
      const isOwn = cause === undefined || object === undefined || formatRef(cause) !== formatRef(object)
      return severity === "error" && object !== undefined && isOwn ? [formatRef(object)] : []
    }),
  )
  const unread = problems.some(
    ({ severity, object, code }) => severity === "error" && (object === undefined || code === "UnknownKind"),
  )
  const said = new Map<string, ProblemPart[]>()
  for (const problem of problems) {
    if (problem.object === undefined) continue
    const of = formatRef(problem.object)
    const others = said.get(of)
    if (others === undefined) said.set(of, [problem])
    else others.push(problem)
  }
  return problems.filter(({ cause, code, path, object }) => {
    if (cause !== undefined && (errors.has(formatRef(cause)) || (unread && code === "NoParent"))) return false
    const others = object === undefined ? undefined : said.get(formatRef(object))
    return others === undefined || others.length === 1 || !isSaidBetter({ code, path }, others)
  })
}

type ProblemPart = Pick<ResourceProblem, "code" | "path">

/** Whether another problem of the same object is the same mistake, in words that are of more use. */
function isSaidBetter({ code, path }: ProblemPart, others: readonly ProblemPart[]): boolean {
  const has = (otherCode: string, at: string) => others.some((each) => each.code === otherCode && each.path === at)
  const listener = path.replace(/\.tls\.\w+$/, "")
  switch (code) {
    case "Required":
      // A certificate is not what is missing where TLS is not to end here.
      if (!path.endsWith(".tls.certificateRefs")) return false
      return (
        has("Required", `${listener}.tls.mode`) ||
        has("UnsupportedValue", listener) ||
        has("UnsupportedProtocol", listener)
      )
    case "InvalidValue":
      return path.endsWith(".tls.mode") && has("UnsupportedProtocol", listener)
    case "InvalidType":
      return has("InvalidPolicyValue", path)
    case "HostnameConflict":
      return others.some((each) => each.code === "Duplicate" && /^spec\.listeners\[\d+\]$/.test(each.path))
    case "NoParent":
      return (
        path === "spec.parentRefs" &&
        others.some((each) => each.code === "UnknownField" && isMeantForParents(each.path))
      )
    default:
      return false
  }
}

/** Whether a field that there is not was to be `spec.parentRefs`, or what that is in. */
function isMeantForParents(path: string): boolean {
  const [first = "", second, ...more] = path.split(".")
  if (second === undefined) return suggest(first, ["spec"]) !== undefined
  return first === "spec" && more.length === 0 && suggest(second, ["parentRefs"]) !== undefined
}

/** Gives each problem the place it is written at, and puts them in the order of files and lines. */
export function locateProblems(problems: readonly ResourceProblem[], locate: Locate): ResourceProblem[] {
  const located = problems.map((problem) => {
    const location = problem.location ?? (problem.object && locate(problem.object, problem.path))
    return location === undefined ? problem : { ...problem, location }
  })
  const files = [...new Set(located.map(({ location }) => location?.file))]
  return located.sort(
    ({ location: a }, { location: b }) =>
      files.indexOf(a?.file) - files.indexOf(b?.file) ||
      (a?.line ?? 0) - (b?.line ?? 0) ||
      (a?.column ?? 0) - (b?.column ?? 0),
  )
}

/** Routes whose Gateways are not served: in files of one's own, hardly what was meant. */
export function routesWithoutParent(table: RouteTable): readonly ResourceProblem[] {
  return table.lint("parents")
}

/** One line as compilers write them, so that editors find the place. */
export function formatProblem(
  { severity, code, object, path, message, location }: ResourceProblem,
  out: Terminal,
): string {
  const place = [location?.file, location?.line, location?.column].filter((part) => part !== undefined).join(":")
  const subject = formatSubject({ object, path })
  const label = out.style(severity === "error" ? "red" : "yellow", `${severity}:`)
  const parts = [
    place === "" ? "" : `${out.style("bold", printable(place))}:`,
    label,
    subject === "" ? "" : `${printable(subject)}:`,
    printable(message),
    out.style("dim", `[${code}]`),
  ]
  return parts.filter((part) => part !== "").join(" ")
}

/** The object and the field that a problem is about; `""` where it is about neither. */
export function formatSubject({
  object,
  path,
}: Pick<ResourceProblem, "path"> & { readonly object?: ObjectRef | undefined }): string {
  return [object === undefined ? "" : formatRef(object), path].filter((part) => part !== "").join(" ")
}

/** An object as people name it: `TLSRoute httpbin/foo`. */
function formatRef({ kind, namespace, name }: ObjectRef): string {
  return `${kind} ${namespace === "" ? name : `${namespace}/${name}`}`
}
