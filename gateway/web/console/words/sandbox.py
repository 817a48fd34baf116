"""The words of the sandbox."""

SANDBOX: dict[str, tuple[str, str]] = {
    "sandbox.synthetic": ("Synthetic", "合成数据"),
    "sandbox.about": (
        "Rows that nobody has, made of the policy alone: trying costs nothing, and no figure tells of the data.",
        "仅由策略生成的、不属于任何人的行。试用不花费任何预算，此处的数字与真实数据无关。",
    ),
    "sandbox.try": ("Try", "试用"),
    "sandbox.ask": ("Ask for real", "正式提问"),
    "sandbox.ask_about": (
        "Refused and noised as a true question is. “Ask for real” takes the text to the editor, with a quote.",
        "与真实提问受同样的规则约束、加同样的噪声。“正式提问”把文本带到编辑器并报价。",
    ),
    "sandbox.none": ("Write a question and try it: what comes back appears here.", "写下问题并试用，结果显示在此处。"),
    "sandbox.answer": ("Answer over synthetic rows", "合成数据上的答案"),
    "sandbox.rows": ("Synthetic rows", "合成数据行"),
    "sandbox.rows_about": ("The first rows of each table.", "每个表的前几行。"),
}
