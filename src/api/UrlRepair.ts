/**
 * busybox wget (seen in 1.35) turns `http://host?node=ID` into `GET /node=ID`: it takes the `?` after a bare host for the
 * slash. Nodes boot by such addresses, so that spelling is understood.
 */
export const repairUrl = (url: string): string => (url.startsWith("/node=") ? `/?${url.slice(1)}` : url)
