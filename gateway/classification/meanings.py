"""What columns are by their names, in English, Chinese and pinyin: one rule a meaning, the most telling first. Pure."""

from dataclasses import dataclass
from decimal import Decimal

from gateway.catalog.model import DataClass, Use
from gateway.catalog.types import SqlType, TypeKind
from gateway.classification.model import Guess, Seen

NUMBERS = (TypeKind.INTEGER, TypeKind.DECIMAL, TypeKind.DOUBLE)
DAYS = (TypeKind.DATE, TypeKind.TIMESTAMP)
TEXTS = (TypeKind.TEXT,)
ANY = tuple(kind for kind in TypeKind if kind is not TypeKind.OTHER)

GROUPED = (Use.GROUP, Use.FILTER)
ADDED = (Use.FILTER, Use.AGGREGATE)
ALL = (Use.GROUP, Use.FILTER, Use.AGGREGATE)


@dataclass(frozen=True, slots=True)
class Named:
    """A meaning: whole words (runs of words count as one), and Chinese texts that a name or description holds."""

    meaning: str
    texts: tuple[str, ...]
    words: frozenset[str]
    kinds: tuple[TypeKind, ...] = ANY
    data_class: DataClass = DataClass.GENERAL
    use: tuple[Use, ...] = ()
    bounds: tuple[int, int] | None = None
    money: bool = False
    identifying: bool = False
    advice: str = ""

    def propose(self, seen: Seen) -> Guess | None:
        """Return what a column of this meaning is proposed to be."""
        if seen.type.kind not in self.kinds or not (self.words & seen.words or any(t in seen.text for t in self.texts)):
            return None
        return Guess(
            why=f"{self.meaning}, by its name{f': {self.advice}' if self.advice else ''}",
            data_class=self.data_class,
            use=self.use,
            bounds=self.bounds,
            granularity=step_of(seen.type, money=self.money),
            unsure=("bounds",) if self.bounds is not None else (),
            identifying=self.identifying,
        )


def step_of(type_: SqlType, *, money: bool) -> Decimal | None:
    """Return the step in which a column's sums are counted: its type's last digit, or a cent."""
    if type_.kind is TypeKind.DECIMAL and type_.scale:
        return Decimal(1).scaleb(-type_.scale)
    return Decimal("0.01") if money and type_.kind is TypeKind.DOUBLE else None


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


def _core(meaning: str, texts: tuple[str, ...], *words: str, kinds: tuple[TypeKind, ...] = ANY) -> Named:
    return Named(meaning, texts, _words(*words), kinds, DataClass.CORE, identifying=True)


_BAND = "hidden: write a year, an age or a band into a column of the source, and let that be grouped by"
_SAY = "sensitive, and hidden: say under `use` what may be done with it"

PERSONAL: tuple[Named, ...] = (
    _core("a password or secret", ("密码", "口令", "密钥"),
          "password passwd pwd secret token apikey privatekey salt pin mima"),
    _core("an identity number",
          ("身份证", "证件号", "证件编号", "护照", "驾驶证", "军官证", "居住证", "社会信用代码"),
          "idcard idcardno idno idnumber identityno identitynumber identitycard nationalid nationalidno citizenid ssn",
          "socialsecurity socialsecuritynumber passport passportno taxid taxno taxpayerid certno certificateno",
          "driverlicense drivinglicense licenseno shenfenzheng shenfenzhenghao sfz sfzh sfzhm zjhm zhengjianhao",
          "huzhao"),
    _core("a bank or card account", ("银行卡", "银行账", "信用卡", "卡号", "账号", "帐号", "开户"),
          "bankcard bankcardno cardno cardnumber creditcard creditcardno debitcard iban bankaccount bankaccountno",
          "accountno accountnumber accno yinhangka yinhangkahao yhkh kahao"),
    _core("an e-mail address", ("邮箱", "邮件", "电子邮"), "email mail emailaddress mailaddress youxiang"),
    _core("a telephone number", ("手机", "电话", "联系方式", "传真"),
          "phone phoneno phonenumber phonenum telephone tel telno mobile mobileno mobilephone cellphone cell",
          "msisdn fax contactno shouji shoujihao sjh sjhm dianhua lxdh"),
    _core("an insurance or medical record number", ("社保", "医保", "病历号", "就诊卡", "住院号"),
          "socialinsurance insuranceno medicalrecordno mrn recordno patientno healthcardno shebao shebaohao yibao",
          "binglihao"),
    _core("a device or network address", ("设备号", "设备标识", "微信", "终端号"),
          "ip ipaddr ipaddress clientip mac macaddress imei imsi idfa oaid androidid deviceid udid openid unionid",
          "cookie sessionid useragent wechat weixin qq"),
    _core("a vehicle's number plate or frame", ("车牌", "车架"),
          "plate plateno platenumber licenseplate vin chepai chepaihao cph"),
    _core("a place on the map", ("经度", "纬度", "坐标", "定位", "位置", "轨迹"),
          "lat lon lng latitude longitude gps coordinate coordinates geo geohash geom location position jingdu weidu",
          "weizhi guiji"),
    _core("an address", ("地址", "住址", "门牌", "街道"),
          "address addr street streetaddress homeaddress shippingaddress billingaddress housenumber dizhi zhuzhi xxdz",
          kinds=TEXTS),
    _core("a mark of the body", ("指纹", "人脸", "虹膜", "声纹", "基因", "照片", "头像"),
          "fingerprint face faceid faceimage iris voiceprint biometric dna genome gene photo portrait avatar zhiwen",
          "renlian"),
    _core("a person's name", ("姓名", "名字", "真实名", "用户名", "昵称"),
          "fullname firstname lastname surname givenname middlename realname username nickname customername clientname",
          "patientname membername employeename studentname contactname holdername ownername buyername sellername",
          "passengername personname guestname doctorname teachername drivername loginname login xingming xm",
          kinds=TEXTS),
    Named("a day of birth", ("生日", "出生"),
          _words("birthday birthdate dateofbirth dob birth born shengri chushengriqi csrq"),
          (*DAYS, *TEXTS), DataClass.IMPORTANT, advice=_BAND),
    Named("health", ("疾病", "诊断", "症状", "病历", "处方", "血型", "过敏", "病史"),
          _words("diagnosis disease illness symptom treatment prescription medication drug bloodtype allergy icd icd10",
                 "jibing zhenduan bingli chufang"),
          ANY, DataClass.IMPORTANT, advice=_SAY),
    Named("belief, origin or private life", ("民族", "宗教", "婚姻", "政治面貌", "犯罪", "种族", "信仰"),
          _words("religion race ethnicity ethnic nationality political party sexualorientation marital maritalstatus",
                 "criminal minzu zongjiao hunyin"),
          ANY, DataClass.IMPORTANT, advice=_SAY),
)  # fmt: skip
"""What is of one person. The first that fits decides."""

ORDINARY: tuple[Named, ...] = (
    Named("free text", ("备注", "评论", "描述", "说明", "留言", "内容", "意见"),
          _words("comment comments remark remarks note notes description desc memo message content body review",
                 "feedback reason beizhu pinglun miaoshu"),
          TEXTS, advice="it may say anything of anybody, so it is hidden"),
    Named("pay, income or a balance", ("工资", "薪", "收入", "余额", "贷款", "负债", "资产", "授信"),
          _words("salary wage wages income pay bonus balance acctbal networth wealth debt loan creditlimit creditscore",
                 "gongzi xinzi shouru"),
          NUMBERS, DataClass.IMPORTANT, (Use.AGGREGATE,), money=True, advice="only added up"),
    Named("money", ("金额", "价格", "单价", "总价", "费用", "销售额", "营业额", "付款", "利润"),
          _words("amount amt price cost total totalprice subtotal revenue sales turnover fee fees charge payment paid",
                 "extendedprice supplycost retailprice unitprice money profit jine je jiage danjia zongjia"),
          NUMBERS, DataClass.IMPORTANT, (Use.AGGREGATE,), money=True, advice="only added up, unless it is general"),
    Named("a share", ("比例", "折扣", "税率", "百分"),
          _words("percent percentage pct ratio share discount tax rate bili zhekou"), NUMBERS, use=ADDED),
    Named("an age", ("年龄",), _words("age nianling"), NUMBERS, use=ALL, bounds=(0, 120)),
    Named("a month", ("月份",), _words("month mon yuefen"), NUMBERS, use=GROUPED, bounds=(1, 12)),
    Named("a day of the month", (), _words("day dayofmonth"), NUMBERS, use=GROUPED, bounds=(1, 31)),
    Named("a day of the week", ("星期",), _words("weekday dayofweek dow xingqi"), NUMBERS, use=GROUPED, bounds=(0, 7)),
    Named("an hour", ("小时",), _words("hour hr"), NUMBERS, use=GROUPED, bounds=(0, 23)),
    Named("a minute", ("分钟",), _words("minute"), NUMBERS, use=GROUPED, bounds=(0, 59)),
    Named("a quarter", ("季度",), _words("quarter jidu"), NUMBERS, use=GROUPED, bounds=(1, 4)),
    Named("a year", ("年份", "年度"), _words("year yr nianfen"), NUMBERS, use=GROUPED),
    Named("a quantity", ("数量", "件数", "次数", "人数"),
          _words("quantity qty count cnt number num units pieces items times shuliang cishu"), NUMBERS, use=ALL),
    Named("a score", ("评分", "分数", "积分", "成绩"),
          _words("score rating grade points stars pingfen fenshu jifen"), NUMBERS, use=ALL),
    Named("a day", ("日期", "时间"), _words("date riqi rq"), DAYS, use=GROUPED),
    Named("gender", ("性别",), _words("gender sex xingbie xb"), ANY, use=GROUPED),
    Named("a region", ("城市", "省份", "地区", "区县", "国家", "区域"),
          _words("city province state region district country nation county town area chengshi shengfen quxian"),
          TEXTS, use=GROUPED),
    Named("a postal code", ("邮编", "邮政编码"), _words("zip zipcode postcode postalcode youbian"), ANY,
          advice="few people may share one, so it is hidden: write its first digits into a column of the source"),
    Named("a kind", ("类型", "类别", "状态", "等级", "渠道", "品牌", "分类", "学历", "职业", "币种"),
          _words("type kind category class status state level tier segment mktsegment channel brand model group flag",
                 "returnflag linestatus orderstatus priority mode shipmode currency language unit cohort label carrier",
                 "manufacturer engine origin dest destination education occupation profession degree leixing leibie",
                 "zhuangtai qudao pinpai xueli zhiye"),
          TEXTS, use=GROUPED),
)  # fmt: skip
"""What many share. The first that fits decides."""

_OF_THINGS = _words(
    "product item goods file brand category event shop store nation region city country department dept company",
    "airline airport vendor supplier part project course school table column host domain type status channel model",
)


@dataclass(frozen=True, slots=True)
class SomeName:
    """A column that is only called name: of the people that its table holds, unless another word says of what."""

    def propose(self, seen: Seen) -> Guess | None:
        """Return that a name is never shown, where it may be a person's."""
        if seen.type.kind is not TypeKind.TEXT or not ({"name", "mingcheng"} & seen.words or "名称" in seen.text):
            return None
        if _OF_THINGS & seen.words:
            return Guess("the name of a thing", use=GROUPED)
        return Guess("a name, which may be a person's: hidden", DataClass.CORE)
