// Why a name goes where it goes.

import { element } from "./elements.js"

/** An explanation as nested lists: listeners on the port, and under the chosen one its routes. */
export function tree({ listeners, routes, result }) {
  const outcome = (good, text) => element("strong", { class: good ? "good" : "quiet" }, text)
  const name = ({ namespace, name }) => (namespace === "" ? name : `${namespace}/${name}`)
  const verdict = result.matched
    ? element("p", {}, outcome(true, `${name(result.route.ref)}`), ` takes it, by ${result.hostname}`)
    : element("p", {}, element("strong", { class: "bad" }, `refused: ${result.reason}`))
  const routeList = element(
    "ul",
    { class: "tree" },
    ...routes.map(({ route, routeHostname, outcome: how, reason }) =>
      element("li", {}, outcome(how === "won", how), ` ${name(route)} (${routeHostname}): ${reason}`),
    ),
  )
  const list = element(
    "ul",
    { class: "tree" },
    ...listeners.map(({ listener, outcome: how, reason }) =>
      element(
        "li",
        {},
        outcome(how === "chosen", how),
        ` ${listener.id} (${listener.hostname ?? "*"}): ${reason}`,
        how === "chosen" ? routeList : "",
      ),
    ),
  )
  return element("div", {}, verdict, list)
}
