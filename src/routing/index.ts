export type * from "./resources.ts"
export type * from "./route-table.ts"
