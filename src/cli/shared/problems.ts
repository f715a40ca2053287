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
  return problems.filter(
    ({ cause, code }) => cause === undefined || !(errors.has(formatRef(cause)) || (unread && code === "NoParent")),
  )
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
