-- The change and its webhook are one transaction: both happen, or neither does.
BEGIN;

WITH paid AS (
    UPDATE invoice
    SET paid = true
    WHERE NOT paid
    RETURNING id, amount
)
SELECT postrider.message_send('acme', 'invoice.paid', jsonb_build_object('invoice', id, 'amount', amount))
FROM paid;

COMMIT;
