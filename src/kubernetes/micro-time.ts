/** The time as `metav1.MicroTime`, which has exactly six digits after the point. */
export const microTime = (): string => new Date().toISOString().replace(/\.(\d{3})Z$/, ".$1000Z")
