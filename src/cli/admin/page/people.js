// The live connections that are asked for, and those who were refused.

import { byId, element, fill, keep, makeRow, setText } from "./elements.js"
import { bytes, rate, span, whole } from "./words.js"

/** Who was refused, and why. */
export function showRefusals({ at, refusals }) {
  byId("refused-empty").hidden = refusals.length > 0
  keep(
    byId("refused-body"),
    refusals,
    ({ serverName, outcome, detail }) => `${outcome} ${detail} ${serverName}`,
    () => makeRow("refused-body", [0, 1]),
    (row, { serverName, outcome, detail, count, last }) =>
      fill(
        row,
        serverName ?? "no name",
        detail === undefined ? outcome : `${outcome}: ${detail}`,
        whole(count),
        `${span(at - last)} ago`,
      ),
  )
}

/** The busiest connections, or those that the filter asks for. */
export function showConnections({ at, connections, live }) {
  const filter = byId("filter").value.trim()
  setText(
    byId("connections-count"),
    `${whole(live)} live${connections.length < live ? `, ${connections.length} here` : ""}`,
  )
  const empty = byId("connections-empty")
  empty.hidden = connections.length > 0
  setText(empty, filter === "" ? "No connection." : `No live connection has “${filter}”.`)
  keep(
    byId("connections-body"),
    connections,
    ({ id }) => id,
    ({ id }) => {
      const row = makeRow("connections-body", [0])
      row.firstElementChild.append(element("button", { type: "button", class: "row", "data-id": id }))
      return row
    },
    (row, connection) => {
      setText(row.querySelector("button"), connection.serverName ?? "no name")
      fill(
        row,
        undefined,
        connection.client,
        connection.route ?? "",
        connection.endpoint ?? "",
        connection.state,
        span(at - connection.since),
        `${rate(connection.upRate)} · ${bytes(connection.fromClient)}`,
        `${rate(connection.downRate)} · ${bytes(connection.fromBackend)}`,
      )
    },
  )
}
