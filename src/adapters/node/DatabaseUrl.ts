/** What can be told of the database that a setting names, without its driver. */

/** Whether it is a URL of PostgreSQL. It may hold a password. */
export const isPostgres = (database: string): boolean => /^postgres(?:ql)?:/i.test(database)

/** The same without the password: for files and people. */
export const withoutPassword = (database: string): string =>
  isPostgres(database)
    ? database.replace(/(:\/\/[^/?#@:]*):[^/?#]*@/, "$1@").replace(/([?&]password=)[^&#]*/gi, "$1")
    : database
