-- A database without this row is not a ledger, whatever its tables are.
INSERT INTO theories (name, slug, version, logic) VALUES ('Propositional', 'pl', '1.0', 'classical');

INSERT INTO symbols (system_id, name, arity)
SELECT theories.id, symbol.name, symbol.arity
FROM theories, (VALUES ('->', 2), ('~', 1), ('/\', 2), ('\/', 2)) AS symbol (name, arity)
WHERE theories.slug = 'pl';
