"""Submission in SQL: the function `submit`, the tenants of the roles that may call it, and what it leaves unchecked."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

COLUMN = (
    "ALTER TABLE operations ADD COLUMN unchecked boolean NOT NULL DEFAULT false",
    "COMMENT ON COLUMN operations.unchecked IS 'submitted in SQL, and not checked by a dispatcher yet'",
    """
    CREATE TRIGGER operations_workflow_id_is_kept BEFORE UPDATE ON operations FOR EACH ROW
    WHEN (NOT OLD.unchecked AND (NEW.unchecked OR NEW.workflow_id IS DISTINCT FROM OLD.workflow_id))
    EXECUTE FUNCTION operations_refuse()
    """,
)
SUBMITTERS = """
CREATE TABLE submitters (
    role text NOT NULL,
    tenant text NOT NULL,

    CONSTRAINT pk_submitters PRIMARY KEY (role),
    CONSTRAINT ck_submitters_tenant_length CHECK (char_length(tenant) BETWEEN 1 AND 255)
)
"""
# The rules of a submission's fields, as the domain and the HTTP API have them. Returns every broken one.
RULES = r"""
CREATE FUNCTION submission_errors(
    type text, input jsonb, labels jsonb, idempotency_key text, start_at timestamptz, delay interval
) RETURNS text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    errors text[] := '{}';
    written text := input::text;
    label record;
BEGIN
    IF type IS NULL THEN
        errors := errors || 'type: is required'::text;
    ELSIF char_length(type) NOT BETWEEN 1 AND 255 THEN
        errors := errors || 'type: has 1 to 255 characters'::text;
    END IF;
    IF octet_length(written) > 262144 THEN
        errors := errors || 'input: has more than 256 KiB'::text;
    END IF;
    -- The text tells cheaply that there is neither a deep value nor a large number.
    IF char_length(written) - char_length(translate(written, '[{', '')) > 63
        AND jsonb_path_exists(input, 'strict $.**{63} ? (@.type() == "array" || @.type() == "object")')
    THEN
        errors := errors || 'input: is nested deeper than 63 levels'::text;
    END IF;
    IF written ~ '[0-9]{255}' AND jsonb_path_exists(
        input, 'strict $.** ? (@.type() == "number" && (@ >= 1.8e308 || @ <= -1.8e308))'
    ) THEN
        errors := errors || 'input: has a number beyond the range of a double'::text;
    END IF;
    IF idempotency_key IS NOT NULL AND char_length(idempotency_key) NOT BETWEEN 1 AND 255 THEN
        errors := errors || 'idempotency_key: has 1 to 255 characters'::text;
    END IF;
    IF start_at IS NOT NULL AND delay IS NOT NULL THEN
        errors := errors || 'delay: is not allowed beside start_at'::text;
    END IF;
    IF delay < interval '0' THEN
        errors := errors || 'delay: must not be negative'::text;
    END IF;
    IF delay > interval '366 days' THEN
        errors := errors || 'delay: must be at most 366d'::text;
    END IF;
    IF start_at > clock_timestamp() + interval '366 days' THEN
        errors := errors || 'start_at: must be at most 366 days ahead'::text;
    END IF;
    IF labels IS NULL OR jsonb_typeof(labels) <> 'object' THEN
        RETURN array_to_string(errors || 'labels: must be an object'::text, '; ');
    END IF;
    IF (SELECT count(*) FROM jsonb_object_keys(labels)) > 32 THEN
        RETURN array_to_string(errors || 'labels: at most 32'::text, '; ');
    END IF;
    FOR label IN SELECT key, value, jsonb_typeof(value) AS kind, labels ->> key AS words FROM jsonb_each(labels) LOOP
        IF label.key !~ '^[A-Za-z0-9]([A-Za-z0-9_./-]{0,61}[A-Za-z0-9])?$' COLLATE "C" THEN
            errors := errors || format(
                'labels.%s: a label key has 1 to 63 letters, digits, ''_'', ''.'', ''/'' and ''-'', '
                'with a letter or a digit at both ends', left(label.key, 100)
            );
        END IF;
        IF label.kind <> 'string' THEN
            errors := errors || format('labels.%s: must be a string', left(label.key, 100));
        ELSIF char_length(label.words) > 255 OR label.words ~ '[\u0001-\u001f\u007f-\u009f]' COLLATE "C" THEN
            errors := errors || format(
                'labels.%s: a label value has at most 255 characters, none of them a control character',
                left(label.key, 100)
            );
        END IF;
    END LOOP;
    RETURN nullif(array_to_string(errors, '; '), '');
END
$$
"""
# The caller's role is that of SET ROLE, or else the session's: within the function, current_user is the owner.
SUBMIT = """
CREATE FUNCTION submit(
    type text,
    input jsonb DEFAULT NULL,
    labels jsonb DEFAULT '{}',
    idempotency_key text DEFAULT NULL,
    start_at timestamptz DEFAULT NULL,
    delay interval DEFAULT NULL,
    parent_id uuid DEFAULT NULL,
    tenant text DEFAULT NULL
) RETURNS uuid LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    caller text := coalesce(nullif(current_setting('role'), 'none'), session_user);
    owned text;
    errors text;
    now_at timestamptz := clock_timestamp();
    starts timestamptz := CASE WHEN submit.delay IS NULL THEN submit.start_at ELSE now_at + submit.delay END;
    request bytea;
    first record;
    made uuid;
BEGIN
    SELECT submitters.tenant INTO owned FROM opledger.submitters WHERE submitters.role = caller;
    IF owned IS NULL THEN
        RAISE EXCEPTION 'opledger.submit: the role % has no tenant', caller USING ERRCODE = 'insufficient_privilege',
            HINT = format('Run `opledger migrate --grant-submit-to %s TENANT`.', caller);
    END IF;
    IF submit.tenant <> owned THEN
        RAISE EXCEPTION 'opledger.submit: the role % submits for the tenant %, not for %', caller, owned, submit.tenant
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    errors := opledger.submission_errors(
        submit.type, submit.input, submit.labels, submit.idempotency_key, submit.start_at, submit.delay
    );
    IF errors IS NOT NULL THEN
        RAISE EXCEPTION 'opledger.submit: %', errors USING ERRCODE = 'invalid_parameter_value';
    END IF;

    -- UUIDv7: milliseconds in place of the first bits of a UUIDv4, and its version.
    made := encode(
        set_bit(set_bit(overlay(
            uuid_send(gen_random_uuid())
            PLACING substring(int8send(floor(extract(epoch FROM now_at) * 1000)::bigint) FROM 3) FROM 1 FOR 6
        ), 52, 1), 53, 1),
        'hex'
    )::uuid;
    IF submit.idempotency_key IS NOT NULL THEN
        request := sha256(convert_to(
            (
                jsonb_build_object('type', submit.type, 'labels', submit.labels)
                || CASE WHEN submit.input IS NULL THEN '{}' ELSE jsonb_build_object('input', submit.input) END
                || jsonb_strip_nulls(jsonb_build_object(
                    'parent_id', submit.parent_id,
                    'start_at', extract(epoch FROM submit.start_at),
                    'delay', extract(epoch FROM submit.delay)
                ))
            )::text,
            'UTF8'
        ));
        -- Waits for another transaction that holds the key.
        INSERT INTO opledger.idempotency_keys AS keys (tenant, key, request_hash, operation_id, expires_at)
        VALUES (owned, submit.idempotency_key, request, made, now_at + interval '24 hours')
        ON CONFLICT (tenant, key) DO UPDATE
        SET request_hash = excluded.request_hash, operation_id = excluded.operation_id,
            expires_at = excluded.expires_at
        WHERE keys.expires_at <= now_at;
        IF NOT FOUND THEN
            SELECT keys.request_hash, keys.operation_id INTO first FROM opledger.idempotency_keys AS keys
            WHERE keys.tenant = owned AND keys.key = submit.idempotency_key;
            IF first.request_hash <> request THEN
                RAISE EXCEPTION 'opledger.submit: idempotency_key: was already used with another request'
                    USING ERRCODE = 'unique_violation', SCHEMA = 'opledger', TABLE = 'idempotency_keys',
                        CONSTRAINT = 'pk_idempotency_keys';
            END IF;
            RETURN first.operation_id;
        END IF;
    END IF;
    IF submit.parent_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM opledger.operations WHERE operations.id = submit.parent_id AND operations.tenant = owned
    ) THEN
        RAISE EXCEPTION 'opledger.submit: parent_id: there is no operation %', submit.parent_id
            USING ERRCODE = 'invalid_parameter_value';
    END IF;

    starts := CASE WHEN starts > now_at THEN starts END;
    INSERT INTO opledger.operations (
        id, tenant, type, status, input, labels, accepted_at, updated_at, dispatch_due_at, dispatch_attempts,
        follow_up_attempts, version, history_length, parent_id, start_at, unchecked
    ) VALUES (
        made, owned, submit.type, 'ACCEPTED', submit.input::json, submit.labels, now_at, now_at,
        coalesce(starts, now_at), 0, 0, 1, 1, submit.parent_id, starts, true
    );
    INSERT INTO opledger.transitions (operation_id, sequence, to_status, source, reason, at, actor, details)
    VALUES (made, 1, 'ACCEPTED', 'CLIENT', 'accepted', now_at, caller, '{}');
    -- Commits of transactions that notify wait for one another, in the whole cluster. So only one of those that are
    -- open at the same time notifies; the ledger polls for the others.
    IF pg_try_advisory_xact_lock(1869638771) THEN
        NOTIFY opledger_changes;
    END IF;
    RETURN made;
END
$$
"""
UP = (
    *COLUMN,
    SUBMITTERS,
    "COMMENT ON COLUMN submitters.tenant IS 'the tenant for which the role may call submit'",
    RULES,
    SUBMIT,
    "REVOKE ALL ON FUNCTION submission_errors, submit FROM PUBLIC",
)
DOWN = (
    "DROP FUNCTION submit, submission_errors",
    "DROP TABLE submitters",
    "DROP TRIGGER operations_workflow_id_is_kept ON operations",
    "ALTER TABLE operations DROP COLUMN unchecked",
)


def upgrade() -> None:
    """Adds column, table and functions. Existing operations are checked."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drops them. Open operations that are not checked yet are started without a check, under their own id."""
    for statement in DOWN:
        op.execute(statement)
