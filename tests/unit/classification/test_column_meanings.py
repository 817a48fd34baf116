"""Columns by their names, in English, Chinese and pinyin; by how their values look; by their type."""

from decimal import Decimal as D

import pytest

from gateway.catalog.model import DataClass, Use
from gateway.catalog.types import BOOLEAN, DATE, DOUBLE, INTEGER, OTHER, TEXT, TIMESTAMP, UUID, decimal
from gateway.classification.model import ColumnLook, Link, Seen
from gateway.classification.patterns import card_number, identity_number
from gateway.classification.rules import RULES, propose
from gateway.classification.words import joined, prefix_of, singular, without, words_of

MONEY = decimal(12, 2)

CORE = {
    TEXT: "id_card idCard ID-CARD shenfenzheng sfzh 身份证号 客户身份证 证件号码 passport_no 护照号 ssn national_id customer_name 姓名 xingming "
    "真实姓名 phone mobile_no 手机号 联系电话 shoujihao msisdn email e_mail 电子邮箱 youxiang bank_card 银行卡号 card_no account_no iban 收款账号 "
    "address home_address 家庭地址 dizhi ip_address device_id imei openid wechat 车牌号 plate_no vin password 密码 api_key gps 定位 "
    "医保卡号 mrn 人脸 fingerprint c_phone name 名称",
    INTEGER: "phone 手机号 id_card order_id 订单编号 custkey user_key",
    DOUBLE: "lat longitude 经度 纬度",
    UUID: "session anything",
}
IMPORTANT = {
    DATE: "birthday date_of_birth 出生日期 csrq 生日",
    TEXT: "diagnosis 疾病名 诊断结果 religion 民族 婚姻状况 blood_type",
    MONEY: "amount total_amount 金额 订单金额 jine price 单价 salary 工资 income 余额 c_acctbal l_extendedprice",
    DOUBLE: "amount 收入",
}
GENERAL = {
    TEXT: "order_status 状态 category 商品类别 city 城市 gender 性别 product_name 省份 channel cohort",
    INTEGER: "age 年龄 quantity 数量 hour month weekday score",
    DATE: "order_date 下单日期 created",
    TIMESTAMP: "created_at 时间",
    BOOLEAN: "gift active",
    DOUBLE: "discount 折扣 humidity",
}


def seen(name, type_=TEXT, **known):
    return Seen("t", name, type_, joined(words_of(name)), name.lower(), nullable=True, **known)


def named(cases):
    return [pytest.param(type_, name, id=f"{name}-{type_}") for type_, names in cases.items() for name in names.split()]


@pytest.mark.parametrize(("type_", "name"), named(CORE))
def test_what_is_of_one_person_is_never_shown(type_, name):
    guess = propose(seen(name, type_))
    assert (guess.data_class, guess.use) == (DataClass.CORE, ())
    assert guess.why


@pytest.mark.parametrize(("type_", "name"), named(IMPORTANT))
def test_what_is_weighty_is_never_a_group_key(type_, name):
    guess = propose(seen(name, type_))
    assert guess.data_class is DataClass.IMPORTANT
    assert set(guess.use) <= {Use.AGGREGATE}


@pytest.mark.parametrize(("type_", "name"), named(GENERAL))
def test_what_many_share_is_used(type_, name):
    guess = propose(seen(name, type_))
    assert guess.data_class is DataClass.GENERAL
    assert guess.use


@pytest.mark.parametrize("name", ["comment", "备注", "remark", "xyzzy", "zip_code"])
def test_texts_of_which_nothing_is_known_are_hidden(name):
    assert propose(seen(name)).use == ()


@pytest.mark.parametrize(
    ("name", "not_of"), [("spine", "a password"), ("mailed_on", "an e-mail"), ("platform", "a vehicle"), ("shipping", "a device")]
)  # fmt: skip
def test_a_word_inside_another_is_no_word(name, not_of):
    assert not_of not in propose(seen(name)).why


def test_a_type_that_nothing_computes_with_is_hidden_whatever_it_is_called():
    guess = propose(seen("amount", OTHER))
    assert (guess.use, guess.granularity) == ((), None)
    assert "cast" in guess.why


def test_money_is_counted_in_its_last_digit():
    assert propose(seen("price", MONEY)).granularity == D("0.01")
    assert propose(seen("price", decimal(12, 4))).granularity == D("0.0001")
    assert propose(seen("price", DOUBLE)).granularity == D("0.01")
    assert propose(seen("price", INTEGER)).granularity is None


def test_a_description_says_as_much_as_a_name():
    said = Seen("t", "f1", TEXT, joined(words_of("f1")), "f1 客户的手机号码", nullable=True)
    assert propose(said).data_class is DataClass.CORE
    assert propose(seen("f1")).data_class is DataClass.GENERAL


def test_what_was_marked_as_personal_is_never_shown():
    assert propose(seen("order_status", personal=True)).data_class is DataClass.CORE


def test_a_link_is_joined_to_what_is_open_alone():
    link = Link("t", "carrier", "airlines", "carrier", declared=True)
    assert propose(seen("carrier", link=link, links_to_public=True)).use == (Use.GROUP, Use.FILTER, Use.JOIN)
    assert propose(seen("carrier", link=link)).data_class is DataClass.CORE


IDENTITY = ("11010519491231002X", "440524188001010014")
"""Numbers that the standard itself gives as examples, GB 11643."""


def look(*examples, distinct=None, nulls=0):
    return ColumnLook(nulls, distinct if distinct is not None else len(examples), examples=examples)


LOOKS = {
    "identity numbers": IDENTITY * 3,
    "telephone numbers": ("13800138000", "+86 15912345678", "25-989-741-2988", "18600000000", "13912345678"),
    "e-mail addresses": tuple(f"a{n}@example.org" for n in range(6)),
    "card numbers": ("4111111111111111", "5500005555555559", "340000000000009", "6011000000000004", "378282246310005"),
    "device or network addresses": tuple(f"10.0.0.{n}" for n in range(6)),
    "places on the map": tuple(f"39.90{n}, 116.40{n}" for n in range(6)),
    "vehicles' number plates": ("京A12345", "沪B6789Z", "粤BD12345", "川A1B2C3", "浙C00001"),
}  # fmt: skip


@pytest.mark.parametrize("meaning", LOOKS)
def test_texts_that_look_personal_are_never_shown_whatever_they_are_called(meaning):
    guess = propose(seen("order_status", look=look(*LOOKS[meaning]), rows=100))
    assert (guess.data_class, guess.why) == (DataClass.CORE, f"looks like {meaning}, from values")
    assert not any(example in guess.why for example in LOOKS[meaning])


def test_few_that_look_so_among_others_do_not_decide():
    mixed = look("a1@example.org", *(f"text {n}" for n in range(9)))
    assert propose(seen("order_status", look=mixed, rows=100)).data_class is DataClass.GENERAL


def test_check_digits():
    assert all(map(identity_number, IDENTITY))
    assert not identity_number("110105194912310021")
    assert not identity_number("110105194913310029")
    assert card_number("4111111111111111")
    assert not card_number("4111111111111112")


def test_texts_of_which_each_is_another_are_hidden():
    assert propose(seen("label", look=look(distinct=95), rows=100)).use == ()
    assert propose(seen("label", look=look(distinct=85), rows=100)).use == (Use.GROUP, Use.FILTER)
    assert propose(seen("label", look=look(distinct=10), rows=10)).use == (Use.GROUP, Use.FILTER), "too few rows to say"


def test_texts_of_few_values_are_grouped_by():
    assert propose(seen("xyzzy", look=look(distinct=30), rows=1000)).use == (Use.GROUP, Use.FILTER)
    assert propose(seen("xyzzy", look=look(distinct=31), rows=1000)).use == ()


def test_words():
    assert words_of("customerIDCard") == ("customer", "id", "card")
    assert words_of("客户ID") == ("客户", "id")
    assert words_of("Home-Address_2") == ("home", "address", "2")
    assert "idcard" in joined(("customer", "id", "card"))
    assert singular("categories") == "category"
    assert singular("addresses") == "address"
    assert singular("address") == "address"
    assert prefix_of(["c_name", "c_phone", "c_key"]) == "c"
    assert prefix_of(["c_name", "phone", "c_key"]) == ""
    assert without("c", "c_name") == ("name",)


def test_every_meaning_can_be_reached():
    """A rule whose words an earlier one takes all would never speak."""
    reached = set()
    kinds = (TEXT, INTEGER, MONEY, DOUBLE, DATE, TIMESTAMP, BOOLEAN)
    for rule in RULES:
        for word in [*getattr(rule, "words", ()), *getattr(rule, "texts", ())]:
            reached |= {propose(seen(word, kind)).why.partition(", by its name")[0] for kind in kinds}
    assert {rule.meaning for rule in RULES if hasattr(rule, "words")} <= reached
