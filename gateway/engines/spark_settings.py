"""The settings of Spark by which a statement of ours could read, mean or compute something else: what each session has.

Each is one that a session may set for itself. What only makes a statement faster or slower is the server's own.
"""

_FILES = {
    "spark.sql.files.ignoreCorruptFiles": "false",  # what cannot be read is no answer, not a shorter one
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.files.ignoreInvalidPartitionPaths": "false",
    "spark.sql.sources.useV1SourceList": "avro,csv,json,kafka,orc,parquet,text",  # whose nodes tell what they scanned
    "spark.sql.parquet.aggregatePushdown": "false",  # rows are read, not what their writer noted of them
    "spark.sql.parquet.respectSummaryFiles": "false",
    "spark.sql.parquet.binaryAsString": "false",
    "spark.sql.parquet.fieldId.read.enabled": "false",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
    "spark.sql.parquet.int96AsTimestamp": "true",
    "spark.sql.parquet.int96TimestampConversion": "false",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
    "spark.sql.legacy.parquet.nanosAsLong": "false",
}

_NAMES = {
    "spark.sql.caseSensitive": "true",
    "spark.sql.parser.quotedRegexColumnNames": "false",
    "spark.sql.ansi.doubleQuotedIdentifiers": "false",
    "spark.sql.ansi.relationPrecedence": "false",
    "spark.sql.groupByAliases": "true",
    "spark.sql.groupByOrdinal": "true",
    "spark.sql.orderByOrdinal": "true",
    "spark.sql.lateralColumnAlias.enableImplicitResolution": "true",
    "spark.sql.crossJoin.enabled": "true",
    "spark.sql.runSQLOnFiles": "false",  # a table's name is never a path
    # tables are the session's views, and functions the server's own, before what a catalog has of their names
    "spark.sql.legacy.persistentCatalogFirst": "false",
    "spark.sql.functionResolution.sessionOrder": "second",
    "spark.sql.path.enabled": "false",
    "spark.sql.legacy.ctePrecedencePolicy": "CORRECTED",
    "spark.sql.legacy.setopsPrecedence.enabled": "false",
    "spark.sql.legacy.parser.havingWithoutGroupByAsWhere": "false",
}

_SUBQUERIES = {
    "spark.sql.legacy.inSubqueryNullability": "false",
    "spark.sql.legacy.nullInEmptyListBehavior": "false",
    "spark.sql.legacy.scalarSubqueryCountBugBehavior": "false",
    "spark.sql.legacy.scalarSubqueryAllowGroupByNonEqualityCorrelatedPredicate": "false",
    "spark.sql.optimizer.decorrelateSubqueryLegacyIncorrectCountHandling.enabled": "false",
    "spark.sql.optimizer.decorrelateExistsSubqueryLegacyIncorrectCountHandling.enabled": "false",
    "spark.sql.optimizer.decorrelateSubqueryPreventConstantHoldingForCountBug.enabled": "true",
    "spark.sql.analyzer.lowerEmptyGroupingSetToGlobalAggregate.enabled": "true",
    # an EXISTS over a UNION does not go through it: the rule looks for what only the subquery has, and fails
    "spark.sql.optimizer.excludedRules": "org.apache.spark.sql.catalyst.optimizer.PushProjectionThroughUnion",
}

_VALUES = {
    "spark.sql.ansi.enabled": "false",  # nothing may raise on a row: each rule says what it gives instead
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    "spark.sql.session.collation.default": "UTF8_BINARY",
    "spark.sql.icu.caseMappings.enabled": "true",
    "spark.sql.variable.substitute": "false",  # ${...} within a text is a text
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
    "spark.sql.subexpressionElimination.skipForShortcutExpr": "true",  # a guard comes before what it guards
    "spark.sql.legacy.allowNegativeScaleOfDecimal": "false",
    "spark.sql.legacy.decimal.retainFractionDigitsOnTruncate": "false",
    "spark.sql.legacy.exponentLiteralAsDecimal.enabled": "false",
    "spark.sql.legacy.literal.pickMinimumPrecision": "true",
    "spark.sql.legacy.fromDayTimeString.enabled": "false",
    "spark.sql.legacy.interval.enabled": "false",
    "spark.sql.legacy.statisticalAggregate": "false",
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    "spark.sql.legacy.typeCoercion.datetimeToString.enabled": "false",
}

PINNED = {**_FILES, **_NAMES, **_SUBQUERIES, **_VALUES}
"""What every session begins with, and nothing here changes. What a version does not know is held there, and unused."""
