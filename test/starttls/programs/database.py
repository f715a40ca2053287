"""Connects with psycopg or asyncpg. `name` prints the name of the server's cluster; `cancel` cancels a query and prints
the SQLSTATE that ends it."""

import asyncio
import sys
import threading

driver, task, connection = sys.argv[1:]
NAME = "select current_setting('cluster_name')"


def with_psycopg() -> str:
    import psycopg

    with psycopg.connect(connection) as session:
        if task == "name":
            return session.execute(NAME).fetchone()[0]
        threading.Timer(0.5, session.cancel_safe, kwargs={"timeout": 20}).start()
        try:
            session.execute("select pg_sleep(20)")
        except psycopg.Error as error:
            return error.sqlstate
    return "not cancelled"


async def with_asyncpg() -> str:
    import asyncpg

    session = await asyncpg.connect(connection, timeout=20)
    name = await session.fetchval(NAME)
    await session.close()
    return name


print(with_psycopg() if driver == "psycopg" else asyncio.run(with_asyncpg()))
