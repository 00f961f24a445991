-- What the service sends for one payment by a customer with three active loans, and nothing else:
-- the statements of one POST /payments/ with an Idempotency-Key, in their order.
-- pgbench -D debtors=… -f payment.sql; the table bench.debtors numbers such customers.

\set n random(1, :debtors)
\set cents random(1, 100)

-- In the place of the credential's query, which costs about as much.
SELECT customer_id AS customer, uuidv7() AS caller, uuidv7() AS event, uuidv7() AS payment,
    uuidv7() AS journal FROM bench.debtors WHERE n = :n \gset

BEGIN;
SELECT pg_try_advisory_xact_lock(hashtextextended(concat(:caller::varchar, '/', :event::varchar), 0))
    AS is_ours, kept_answers.fingerprint, kept_answers.answer
    FROM (SELECT 1 AS anon_2) AS anon_1 LEFT OUTER JOIN kept_answers
    ON kept_answers.caller_id = :caller::uuid AND kept_answers.key = :event::varchar;
SAVEPOINT step;
SELECT id, external_id, first_name, last_name, email, phone, status, credit_limit, preapproved_at,
    created_by, version, created_at, updated_at
    FROM customers WHERE id = :customer::uuid FOR UPDATE;
SELECT id, external_id, customer_id, amount, term_months, purpose, income, expenses, first_amount,
    first_income, risk_score, status, outstanding, contract_version, maximum_payment_date, taken_at,
    created_by, version, created_at, updated_at
    FROM loans WHERE customer_id = :customer::uuid AND status = 'ACTIVE' ORDER BY id
    FOR UPDATE \aset loan_
UPDATE loans SET outstanding = outstanding - :cents::numeric / 100, version = version + 1,
    updated_at = now() WHERE id = :loan_id::uuid AND version = :loan_version::integer;
WITH beside_0 AS
(INSERT INTO payments (id, external_id, customer_id, total_amount, status, source, paid_at, reverses,
    reason, created_by, created_at)
    VALUES (:payment::uuid, NULL, :customer::uuid, :cents::numeric / 100, 'COMPLETED', 'external',
    now(), NULL, NULL, :caller::uuid, now())),
beside_1 AS
(INSERT INTO audit_events (id, at, actor_id, actor_kind, action, subject, subject_id, request_id,
    address, details)
    VALUES (:event::uuid, now(), :caller::uuid, 'user', 'payment.completed', 'payment',
    :payment::uuid, :event::varchar, '127.0.0.1', '{}'::jsonb)),
beside_2 AS
(INSERT INTO journal (id, kind, loan_id, payment_id, reverses, external_id, note, actor_id,
    actor_kind, at)
    VALUES (:journal::uuid, 'payment', NULL, :payment::uuid, NULL, NULL, NULL, :caller::uuid, 'user',
    now()))
INSERT INTO entries (journal_id, book, loan_id, customer_id, direction, amount, balance_after)
    VALUES (:journal::uuid, 'cash', NULL, NULL, 'debit', :cents::numeric / 100, NULL),
    (:journal::uuid, 'receivable', :loan_id::uuid, NULL, 'credit', :cents::numeric / 100,
    :loan_outstanding::numeric - :cents::numeric / 100);
RELEASE SAVEPOINT step;
INSERT INTO kept_answers (caller_id, key, fingerprint, answer, created_at, expires_at)
    VALUES (:caller::uuid, :event::varchar, decode(repeat('ab', 32), 'hex'),
    decode(repeat('ab', 960), 'hex'), now(), now() + interval '24 hours');
COMMIT;
