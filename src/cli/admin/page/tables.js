// Listeners, and routes with their backends.

import { byId, element, fill, keep, makeRow, setText } from "./elements.js"
import { perSecond, plural, rate, span, whole } from "./words.js"

/** Routes shown before somebody asks for all. */
const FEW_ROUTES = 20

const nothing = { live: 0, connections: 0, refused: 0, rate: 0, refusedRate: 0, up: 0, down: 0 }

function fillFlow(row, from, flow = nothing) {
  const cells = [...row.children].slice(from)
  for (const [at, text] of [
    whole(flow.live),
    perSecond(flow.rate),
    perSecond(flow.refusedRate),
    rate(flow.up),
    rate(flow.down),
    whole(flow.connections),
    whole(flow.refused),
  ].entries())
    setText(cells[at], text)
  cells[2].classList.toggle("bad", flow.refusedRate > 0)
}

/** Each listener with its traffic. */
export function showListeners(scene, moment) {
  byId("listeners-empty").hidden = scene.listeners.length > 0
  keep(
    byId("listeners-body"),
    scene.listeners,
    ({ key }) => key,
    () => makeRow("listeners-body", [0, 1]),
    (row, listener) => {
      const { bound, error, starttls, quic, listeners } = listener
      row.children[0].replaceChildren(
        element("span", { class: "name" }, bound ?? listener.key),
        starttls === undefined ? "" : element("small", {}, ` ${starttls}, then TLS`),
        quic === undefined || quic.error ? "" : element("small", {}, " and QUIC"),
        error === undefined ? "" : element("div", { class: "bad" }, error),
        quic?.error === undefined ? "" : element("div", { class: "bad" }, `no QUIC: ${quic.error}`),
      )
      fill(row, undefined, listeners.map(({ id, hostname }) => `${id} (${hostname})`).join(", "))
      fillFlow(row, 2, moment?.listeners[listener.key])
    },
  )
}

/** Each route with its traffic, its backends and their endpoints: of many, those that need a look, and the busiest. */
export function showRoutes(scene, moment, showsAll) {
  const { total, list } = scene.routes
  const shown = showsAll ? list : mostTelling(list, moment)
  byId("routes-empty").hidden = total > 0
  setText(byId("routes-count"), countOf(scene.routes, shown))
  const more = byId("routes-more")
  more.hidden = list.length <= FEW_ROUTES
  more.setAttribute("aria-expanded", String(showsAll))
  setText(more, showsAll ? `Show ${FEW_ROUTES}` : `Show ${total > list.length ? "the first" : "all"} ${list.length}`)
  keep(
    byId("routes-body"),
    shown,
    ({ name }) => name,
    () => makeRow("routes-body", [0, 1]),
    (row, route) => {
      row.children[0].replaceChildren(
        element("div", { class: "name" }, route.name),
        element("small", {}, route.hostnames.join(", ")),
      )
      showBackends(row.children[1], route, moment)
      fillFlow(row, 2, moment?.routes[route.name])
    },
  )
}

/** By what they carried so far, which changes places seldom; what fails comes before all. */
function mostTelling(routes, moment) {
  if (routes.length <= FEW_ROUTES) return routes
  const ranked = routes.map((route) => ({
    route,
    fails: route.backends.some(({ target, error, endpoints }) => {
      const failure = moment?.failures[target]
      if (error !== undefined || (failure !== undefined && !failure.covered)) return true
      return endpoints.leftOut > 0
    }),
    connections: moment?.routes[route.name]?.connections ?? 0,
  }))
  ranked.sort((a, b) => Number(b.fails) - Number(a.fails) || b.connections - a.connections)
  return ranked.slice(0, FEW_ROUTES).map(({ route }) => route)
}

function countOf({ total, list }, shown) {
  if (shown.length < list.length) return `${whole(total)}, of which ${shown.length} here: what fails, then the busiest`
  return total > list.length ? `${whole(total)}, the first ${list.length} here` : whole(total)
}

function showBackends(cell, route, moment) {
  const live = (key) => moment?.endpoints[key] ?? 0
  const sum = route.backends.reduce((all, { target }) => all + live(target), 0)
  const weights = route.backends.reduce((all, { weight }) => all + weight, 0)
  const items = route.backends.map((backend) => {
    const count = live(backend.target)
    const share = sum === 0 ? 0 : count / sum
    const meant = weights === 0 ? 0 : backend.weight / weights
    const failure = moment?.failures[backend.target]
    const told = `${Math.round(share * 100)} % of live connections, meant ${Math.round(meant * 100)} %`
    return element(
      "li",
      {},
      element("meter", { min: "0", max: "1", value: String(share), "aria-label": told, title: told }),
      ` ${backend.name} `,
      element("small", {}, `${whole(count)} live, weight ${backend.weight}`),
      backend.error === undefined ? "" : element("div", { class: "bad" }, backend.error),
      element(
        "ul",
        { class: "endpoints" },
        ...backend.endpoints.list.map(({ where, isName, unhealthy }) =>
          element(
            "li",
            {},
            mark(
              unhealthy !== undefined || (isName && failure !== undefined && !failure.covered),
              isName && count === 0,
            ),
            where,
            element("small", {}, ` ${whole(live(`${backend.target} ${where}`))}`),
            unhealthy === undefined ? "" : element("span", { class: "bad" }, ` ${unhealthy}`),
          ),
        ),
        moreEndpoints(backend.endpoints),
      ),
      failure === undefined ? "" : failureLine(failure, moment.at),
    )
  })
  cell.replaceChildren(element("ul", { class: "backends" }, ...items))
}

/** Green where nothing speaks against an endpoint; hollow where nothing is known of it: a name that nobody is connected to. */
function mark(isBad, isUnknown) {
  if (isBad) return element("span", { class: "bad" }, "▲ ")
  return element("span", { class: isUnknown ? "quiet" : "good", "aria-hidden": "true" }, isUnknown ? "○ " : "● ")
}

function moreEndpoints({ total, leftOut, list }) {
  const rest = total - list.length
  if (rest <= 0) return ""
  const bad = leftOut - list.filter(({ unhealthy }) => unhealthy !== undefined).length
  return element(
    "li",
    {},
    `and ${whole(rest)} more`,
    bad > 0 ? element("span", { class: "bad" }, `, ${whole(bad)} of them left out`) : "",
  )
}

/** What fails about a backend, and since when nothing else is known. */
function failureLine({ connections, why, last, covered }, at) {
  const ago = `${span(at - last)} ago`
  const text =
    connections > 0
      ? `${plural(connections, "connection")} in a row did not reach it, the last ${ago}: ${why}`
      : `${why}, ${ago}${covered ? "; connections go on with an older answer" : ""}`
  return element("div", { class: covered ? "warn" : "bad" }, text)
}
