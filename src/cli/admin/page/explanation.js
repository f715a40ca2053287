// Why a name goes where it goes.

import { element } from "./elements.js"
import { whole } from "./words.js"

/** Entries of a list; there may be thousands of routes that do not match. */
const SHOWN = 10

const outcome = (good, text) => element("strong", { class: good ? "good" : "quiet" }, text)
const named = ({ namespace, name }) => (namespace === "" ? name : `${namespace}/${name}`)
const hostname = (name = "*") => (name === "*" ? "any hostname" : name)

/** An explanation as nested lists: listeners on the port, under the chosen one its routes, under the route its backends. */
export function tree({ query, listeners, routes, result, starttls, quic }) {
  const verdict = result.matched
    ? element("p", {}, outcome(true, named(result.route.ref)), ` takes it, by ${result.hostname}`)
    : element("p", {}, element("strong", { class: "bad" }, `refused: ${result.reason}`))
  const considered = ["won", "lost", "not-attached", "no-match"].flatMap((how) =>
    some(
      routes.filter((route) => route.outcome === how),
      ({ route, routeHostname, reason }) =>
        element(
          "li",
          {},
          outcome(how === "won", how),
          ` ${named(route)} (${hostname(routeHostname)}): ${reason}`,
          how === "won" && result.matched ? backends(result.route) : "",
        ),
    ),
  )
  const listed = some(listeners, ({ listener, outcome: how, reason }) =>
    element(
      "li",
      {},
      outcome(how === "chosen", how),
      ` ${listener.id} (${hostname(listener.hostname)}): ${reason}`,
      how === "chosen" && considered.length > 0 ? element("ul", { class: "tree" }, ...considered) : "",
    ),
  )
  return element(
    "div",
    {},
    verdict,
    element("ul", { class: "tree" }, ...listed),
    starttls ? element("p", {}, `before TLS, clients and the backend are spoken to in ${starttls} (starttls)`) : "",
    quic ? element("p", {}, `the same over QUIC, on UDP port ${query.port} (quic)`) : "",
  )
}

function backends({ backends, totalWeight }) {
  if (totalWeight === 0) return element("p", { class: "bad" }, "no backend has a weight above 0")
  const listed = some(backends, ({ ref, weight, target }) => {
    const share = `${Math.round((1000 * weight) / totalWeight) / 10} % `
    return target.kind === "invalid"
      ? element(
          "li",
          {},
          share,
          element("span", { class: "bad" }, `${named(ref)}: ${target.reason}, ${target.message}`),
        )
      : element("li", {}, share, `${named(ref)} → ${where(target)}`)
  })
  return element("ul", { class: "tree" }, ...listed)
}

function where(target) {
  if (target.kind === "name") return `${target.host}:${target.port} (DNS)`
  const rest = target.endpoints.length - SHOWN
  const shown = target.endpoints
    .slice(0, SHOWN)
    .map(({ address, port }) => (address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`))
  return `${shown.join(", ")}${rest > 0 ? ` and ${whole(rest)} more` : ""}`
}

/** The first few of them, and how many more there are. */
function some(all, make) {
  const items = all.slice(0, SHOWN).map(make)
  const rest = all.length - items.length
  return rest > 0 ? [...items, element("li", { class: "quiet" }, `and ${whole(rest)} more like it`)] : items
}
