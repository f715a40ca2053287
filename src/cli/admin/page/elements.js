// Elements of the document. Nothing here reads a text as HTML.

export const byId = (id) => document.getElementById(id)

/** Makes an element. Children are elements or text. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(name, value)
  made.append(...children.filter((child) => child !== undefined && child !== ""))
  return made
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text
}

/** Keeps the children of `parent` equal to `items`, by key: what stays keeps its element, and the focus in it. */
export function keep(parent, items, keyOf, make, update) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]))
  let place = parent.firstElementChild
  for (const item of items) {
    const key = keyOf(item)
    let child = old.get(key)
    if (child === undefined) {
      child = make(item)
      child.dataset.key = key
    }
    old.delete(key)
    update(child, item)
    if (child === place) place = place.nextElementSibling
    else parent.insertBefore(child, place)
  }
  for (const child of old.values()) child.remove()
}

/** A row of cells, each with the name of its column for narrow screens. */
export function makeRow(table, wide) {
  const columns = [...byId(table).closest("table").querySelectorAll("thead th")]
  return element(
    "tr",
    {},
    ...columns.map((column, at) => {
      const classes = [column.className, wide.includes(at) ? "wide" : ""].filter((name) => name !== "").join(" ")
      return element("td", { class: classes || undefined, "data-column": column.textContent })
    }),
  )
}

export function fill(row, ...texts) {
  for (const [at, text] of texts.entries()) if (text !== undefined) setText(row.children[at], text)
}

/** Terms, each with what is to be said of it. */
export function facts(rows) {
  return element("dl", {}, ...rows.flatMap(([term, text]) => [element("dt", {}, term), element("dd", {}, text)]))
}
