-- The product's own table, in the database that it shares with Postrider.
CREATE TABLE IF NOT EXISTS invoice (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    amount numeric NOT NULL,
    paid boolean NOT NULL DEFAULT false
);

INSERT INTO invoice (amount) VALUES (42.00);
