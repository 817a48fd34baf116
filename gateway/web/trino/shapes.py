"""The columns of every table about tables, as Trino has them; a few of the gateway's own in `system.gateway`."""

from gateway.catalog.listing import BIGINT, BOOLEAN, VARCHAR
from gateway.sql.trino.model import CATALOG, INFORMATION_SCHEMA, SYSTEM

Columns = tuple[tuple[str, str], ...]

_TYPES = {"": VARCHAR, "n": BIGINT, "b": BOOLEAN}


def _columns(written: str) -> Columns:
    """Return columns that are written as names, `:n` for a number and `:b` for a boolean behind them."""
    found = (word.partition(":") for word in written.split())
    return tuple((name, _TYPES[kind]) for name, _, kind in found)


_PROPERTIES = _columns("catalog_name property_name default_value type description")

_INFORMATION = {
    "schemata": _columns("catalog_name schema_name"),
    "tables": _columns("table_catalog table_schema table_name table_type table_comment"),
    "columns": _columns(
        "table_catalog table_schema table_name column_name ordinal_position:n column_default is_nullable data_type "
        "comment extra_info column_comment"
    ),
    "views": _columns("table_catalog table_schema table_name view_definition"),
    "table_privileges": _columns(
        "grantor grantor_type grantee grantee_type table_catalog table_schema table_name privilege_type is_grantable "
        "with_hierarchy"
    ),
    "roles": _columns("role_name"),
    "applicable_roles": _columns("grantee grantee_type role_name is_grantable"),
    "enabled_roles": _columns("role_name"),
}

_SYSTEM = {
    "jdbc.catalogs": _columns("table_cat"),
    "jdbc.schemas": _columns("table_schem table_catalog"),
    "jdbc.tables": _columns(
        "table_cat table_schem table_name table_type remarks type_cat type_schem type_name self_referencing_col_name "
        "ref_generation"
    ),
    "jdbc.columns": _columns(
        "table_cat table_schem table_name column_name data_type:n type_name column_size:n buffer_length:n "
        "decimal_digits:n num_prec_radix:n nullable:n remarks column_def sql_data_type:n sql_datetime_sub:n "
        "char_octet_length:n ordinal_position:n is_nullable scope_catalog scope_schema scope_table source_data_type:n "
        "is_autoincrement is_generatedcolumn"
    ),
    "jdbc.types": _columns(
        "type_name data_type:n precision:n literal_prefix literal_suffix create_params nullable:n case_sensitive:b "
        "searchable:n unsigned_attribute:b fixed_prec_scale:b auto_increment:b local_type_name minimum_scale:n "
        "maximum_scale:n sql_data_type:n sql_datetime_sub:n num_prec_radix:n"
    ),
    "jdbc.table_types": _columns("table_type"),
    "jdbc.attributes": _columns(
        "type_cat type_schem type_name attr_name data_type:n attr_type_name attr_size:n decimal_digits:n "
        "num_prec_radix:n nullable:n remarks attr_def sql_data_type:n sql_datetime_sub:n char_octet_length:n "
        "ordinal_position:n is_nullable scope_catalog scope_schema scope_table source_data_type:n"
    ),
    "jdbc.procedures": _columns("procedure_cat procedure_schem procedure_name remarks procedure_type:n specific_name"),
    "jdbc.procedure_columns": _columns(
        "procedure_cat procedure_schem procedure_name column_name column_type:n data_type:n type_name precision:n "
        "length:n scale:n radix:n nullable:n remarks column_def sql_data_type:n sql_datetime_sub:n "
        "char_octet_length:n ordinal_position:n is_nullable specific_name"
    ),
    "jdbc.pseudo_columns": _columns(
        "table_cat table_schem table_name column_name data_type:n column_size:n decimal_digits:n num_prec_radix:n "
        "column_usage remarks char_octet_length:n is_nullable"
    ),
    "jdbc.super_tables": _columns("table_cat table_schem table_name supertable_name"),
    "jdbc.super_types": _columns("type_cat type_schem type_name supertype_cat supertype_schem supertype_name"),
    "jdbc.udts": _columns("type_cat type_schem type_name class_name data_type:n remarks base_type:n"),
    "metadata.catalogs": _columns("catalog_name connector_id connector_name state"),
    "metadata.table_comments": _columns("catalog_name schema_name table_name comment"),
    "metadata.materialized_views": _columns(
        "catalog_name schema_name name storage_catalog storage_schema storage_table freshness owner comment definition"
    ),
    "metadata.schema_properties": _PROPERTIES,
    "metadata.table_properties": _PROPERTIES,
    "metadata.column_properties": _PROPERTIES,
    "metadata.analyze_properties": _PROPERTIES,
    "metadata.materialized_view_properties": _PROPERTIES,
    "runtime.nodes": _columns("node_id http_uri node_version coordinator:b state"),
    "runtime.queries": _columns("query_id state user source query created"),
    "gateway.functions": _columns("function_name return_type argument_types function_type deterministic:b description"),
    "gateway.session_properties": _columns("name value default_value type description"),
    "gateway.definitions": _columns("table_catalog table_schema table_name definition"),
}

SHAPES: dict[str, Columns] = {
    **{f"{SYSTEM}.{name}": columns for name, columns in _SYSTEM.items()},
    **{
        f"{catalog}.{INFORMATION_SCHEMA}.{name}": columns
        for catalog in (CATALOG, SYSTEM)
        for name, columns in _INFORMATION.items()
    },
}
"""The columns of each table by its full name."""
