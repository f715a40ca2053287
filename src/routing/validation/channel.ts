/** Release channel of the Gateway API. The experimental one has everything of the standard one, and more. */
export type Channel = "experimental" | "standard"
