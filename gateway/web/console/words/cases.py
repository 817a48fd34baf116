"""The words of cases: what is complained of, the evidence, and what an arbiter finds."""

CASES: dict[str, tuple[str, str]] = {
    "cases.about": (
        "A party or a supervisor complains of a query; an arbiter of neither party sees the evidence and decides.",
        "买方、提供方或监管人员可就某次查询提出争议；由与双方无关的仲裁人查看证据并裁决。",
    ),
    "cases.none": ("There is no case for you to see.", "没有您可以查看的案件。"),
    "cases.case": ("Case", "案件"),
    "cases.open": ("Open a case", "提出争议"),
    "cases.query_id": ("Query", "查询编号"),
    "cases.which": (
        "The query_id of an answer of yours, or of your data. The reason stands in the log, for good.",
        "您的答案或您的数据上的 query_id。原因会永久写入日志。",
    ),
    "cases.charged": ("Charged", "已扣金额"),
    "cases.refund": ("Refund", "退款"),
    "cases.no_refund": ("none", "无"),
    "cases.provider": ("Provider", "提供方"),
    "cases.opened_by": ("Opened by", "提出人"),
    "cases.dispute": ("Dispute it", "提出争议"),
    "cases.state.opened": ("open", "未决"),
    "cases.state.decided": ("decided", "已裁决"),
    # what an arbiter does
    "finding": ("Finding", "裁决"),
    "finding.by": ("By", "裁决人"),
    "finding.refund": ("Refund in {currency}, at most {amount}", "退款（{currency}，至多 {amount}）"),
    "finding.about": (
        "Empty: no refund. Money comes back once, privacy never. A finding is one paragraph of the log, for good.",
        "留空则不退款。每次查询只能退款一次，隐私预算不会退还。裁决为一个段落，永久写入日志。",
    ),
    "finding.decide": ("Decide", "作出裁决"),
    # the evidence
    "evidence": ("Evidence", "证据"),
    "evidence.show": ("Look at the evidence", "查看证据"),
    "evidence.file": ("Save the evidence", "保存证据"),
    "evidence.about": (
        "Neither the SQL nor a result is in it: the parties bring what they wish to show.",
        "其中没有 SQL，也没有结果：由双方自行出示。",
    ),
    "evidence.stops": ("What froze the query since", "此后对该查询的冻结"),
    "evidence.no_stops": ("Nothing froze it.", "没有冻结。"),
    "evidence.event": ("What was billed", "计费事件"),
    "evidence.policy": ("The policy that it was decided under", "作出决定时的策略"),
    "evidence.what": ("What", "内容"),
    "evidence.leaf": ("What the log decided", "日志中的决定"),
}
