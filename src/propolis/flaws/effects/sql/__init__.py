"""SQL that is injected: what a database would have returned, complained of, or waited for."""

from propolis.flaws.effects.sql.injection import sql, sql_holds

__all__ = ["sql", "sql_holds"]
