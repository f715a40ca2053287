import type { Moment, Scene } from "../admin/overview.ts"

/** What `tlsroute top` shows, and how. */
export interface View {
  /** Where the admin server is, as `host:port`. */
  readonly address: string
  readonly scene: Scene
  /** `undefined` in the first second. */
  readonly moment: Moment | undefined
  /** Why what is shown is old; `undefined` while the admin server tells. */
  readonly lost: string | undefined
  /** What the list of connections is for. */
  readonly filter: string
  /** A filter that is being typed. */
  readonly typing: string | undefined
  readonly isPaused: boolean
  /** Connections above the first one that is shown; as many as there are is the most, once drawn. */
  readonly scroll: number
}

/** A key that was pressed, as `node:readline` tells it. */
export interface Key {
  readonly name?: string | undefined
  readonly sequence?: string | undefined
  readonly ctrl?: boolean | undefined
}

/** Characters of a filter that the admin server looks at. */
const MOST_FILTER = 255
const PAGE = 10

/** What a key makes of the view; `undefined` when it quits. */
export function press(view: View, key: Key): View | undefined {
  if (key.ctrl && (key.name === "c" || key.name === "d")) return undefined
  if (view.typing !== undefined) return type(view, view.typing, key)
  switch (key.sequence) {
    case "/":
      return { ...view, typing: view.filter }
    case "G":
      return scrollTo(view, Number.POSITIVE_INFINITY)
  }
  switch (key.name) {
    case "q":
      return undefined
    case "p":
    case "space":
      return { ...view, isPaused: !view.isPaused }
    case "escape":
      return filterBy(view, "")
    case "down":
    case "j":
      return scrollTo(view, view.scroll + 1)
    case "up":
    case "k":
      return scrollTo(view, view.scroll - 1)
    case "pagedown":
      return scrollTo(view, view.scroll + PAGE)
    case "pageup":
      return scrollTo(view, view.scroll - PAGE)
    case "home":
    case "g":
      return scrollTo(view, 0)
    case "end":
      return scrollTo(view, Number.POSITIVE_INFINITY)
  }
  return view
}

function type(view: View, typed: string, { name, sequence = "", ctrl }: Key): View {
  if (name === "return" || name === "enter") return filterBy(view, typed.trim())
  if (name === "escape") return { ...view, typing: undefined }
  if (name === "backspace") return { ...view, typing: typed.slice(0, -1) }
  if (ctrl && name === "u") return { ...view, typing: "" }
  if (ctrl || !/^[\x20-\x7e]+$/.test(sequence)) return view
  return { ...view, typing: (typed + sequence).slice(0, MOST_FILTER) }
}

/** Whoever asks for other connections wants to see them: a pause ends. */
function filterBy(view: View, filter: string): View {
  return { ...view, filter, typing: undefined, ...(filter === view.filter ? {} : { scroll: 0, isPaused: false }) }
}

function scrollTo(view: View, scroll: number): View {
  return { ...view, scroll: Math.max(0, scroll) }
}
