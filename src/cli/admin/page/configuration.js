// The configuration: what is wrong with it, and how it changed.

import { byId, element, setText } from "./elements.js"
import { plural, whole } from "./words.js"

/** What is wrong with it, and where that is written. */
export function showProblems({ total, list }) {
  byId("problems").hidden = total === 0
  setText(byId("problems-count"), whole(total))
  byId("problems-list").replaceChildren(
    ...list.map(({ severity, code, object, path, message, location }) => {
      const place = [location?.file, location?.line, location?.column].filter((part) => part !== undefined).join(":")
      const subject =
        object === undefined ? "" : `${object.kind} ${object.namespace ? `${object.namespace}/` : ""}${object.name} `
      return element(
        "li",
        {},
        element("span", { class: severity === "error" ? "bad" : "warn" }, `${severity} `),
        place === "" ? "" : element("span", { class: "place" }, `${place} `),
        subject,
        path ? element("span", { class: "place" }, `${path} `) : "",
        message,
        element("small", {}, ` ${code}`),
      )
    }),
    ...(total > list.length ? [element("li", { class: "quiet" }, `and ${whole(total - list.length)} more`)] : []),
  )
}

/** How it changed, newest first. */
export function showTimeline(timeline) {
  byId("timeline-list").replaceChildren(
    ...timeline.map(({ at, worse, fields }) =>
      element(
        "li",
        {},
        element(
          "time",
          { datetime: new Date(at).toISOString(), class: worse ? "bad" : "quiet" },
          new Date(at).toLocaleString(),
        ),
        ` ${describeChange(fields)}`,
      ),
    ),
  )
}

function describeChange(fields) {
  const named = (verb, { count, names }) =>
    `${verb} ${names.join(", ")}${count > names.length ? ` and ${whole(count - names.length)} more` : ""}`
  const parts = []
  for (const verb of ["added", "changed", "removed"])
    if (fields[verb] !== undefined) parts.push(named(verb, fields[verb]))
  for (const { gatewayPort, address, port, error } of fields.bindings) {
    const at = address?.includes(":") ? `[${address}]` : address
    parts.push(error === undefined ? `port ${gatewayPort} listens on ${at}:${port}` : `port ${gatewayPort}: ${error}`)
  }
  if (fields.closed !== undefined) parts.push(named("closed", fields.closed))
  if (fields.problems.length > 0) parts.push(plural(fields.problems.length, "new problem"))
  if (fields.resolved > 0) parts.push(`${plural(fields.resolved, "problem")} resolved`)
  parts.push(`${plural(fields.routes, "route")} in force`)
  return parts.join("; ")
}
