"""Names of persons in a text, where it gives them as such: "my name is …", "this is Ann Smith", 我叫…, 我的名字是….

Names elsewhere are not looked for: in the middle of a sentence a name is a word like others. Where a cue is weak ("I'm
…", 我是…) a name counts only if it is a known one, as "I'm Sad" and 我是学生 have the same form.

Patterns read the plain text (`plain_text`) and run in linear time, as in `contacts`.
"""

import re
from collections.abc import Iterator

from compeer_jax.curation.privacy.plain_text import words

Span = tuple[int, int]


_WORD = r"[A-Za-zÀ-ÖØ-öø-ɏ](?:['’\-]?[A-Za-zÀ-ÖØ-öø-ɏ]){0,24}+"
_CAPITAL = r"[A-ZÀ-ÖØ-Þ](?:['’\-]?[A-Za-zÀ-ÖØ-öø-ɏ]){1,24}+"
_FURTHER = (
    rf"(?: (?:{_CAPITAL}|[A-Z]\.?(?![A-Za-z'’])|de|del|della|van|von|der|da|di|bin|al|el|la|le)(?![A-Za-z])){{0,4}}"
)
_NAMED = (
    r"(?P<said>(?<!user )(?<!\bthe )\bname(?:['’]?s|s| is| was)?|\bname ?[:：=]|\bsurname(?: is|:)|\bi answer to"
    r"|\b(?:i['’]?m|i am|he['’]?s|he is|she['’]?s|she is|i was|(?:son|daughter|wife|husband|partner|boyfriend"
    r"|girlfriend|brother|sister|friend|cousin|boss|baby|man|woman|guy|girl|boy|kid|someone|teacher|therapist)"
    r"(?: is|['’]s|,)?) (?:called|named)|\bi go by|\bcalls? me|\bcalling me|\bintroduce myself,? (?:as|i['’]?m))"
)
_STRONG = re.compile(
    rf"(?i:{_NAMED})[ ,:：=\n]{{1,3}}(?:(?i:is|was|just|simply|actually) )?(?P<name>{_WORD}(?-i:{_FURTHER}))"
)
_SIGNED = re.compile(
    rf"(?:^|\n|[.!?] )(?i:(?:yours )?sincerely|(?:best|kind|warm)? ?regards|yours truly|signed)[,\n ]{{1,3}}"
    rf"(?P<name>{_CAPITAL}{_FURTHER}) ?(?=\.?\s*$|\n)"
)
_WEAK = re.compile(
    rf"(?i:\b(?P<said>i['’]?m|i am|this is|here is|it['’]?s|it is|am|myself)) "
    rf"(?P<name>{_WORD}(?-i:{_FURTHER}))(?!['’]s)"
)
_GREETED = re.compile(rf"(?P<name>{_CAPITAL}) (?:here|speaking)(?= ?(?:[.,!:;\n-]|$))")
_END = re.compile(r"\s*(?:[.,!?;:)\n\-–—]|$|and\b|but\b|i\b|i['’]?m\b|im\b|from\b|by\b|nice\b|what\b)", re.IGNORECASE)
_TWO_WORDS = re.compile(rf"{_WORD}(?: {_WORD})?")  # in lower case nothing shows where a name ends
_POSSESSIVE = re.compile("['’][sS]$")
_CALLING = re.compile("calls? me|calling me", re.IGNORECASE)
_OFTEN_SOMETHING_ELSE = re.compile("it|here|am|myself", re.IGNORECASE)
_BEHIND_ITS = re.compile(r"\s*(?:here\b|again\b|speaking\b|calling\b|[.,!]|$)", re.IGNORECASE)


_HINTS = re.compile("name|called|calls? me|calling me|i go by|answer to|introduce|sincerely|regards|truly|signed")


def name_spans(text: str) -> Iterator[Span]:
    """Where names stand behind words that give them, of the speaker or of somebody near them."""
    if _HINTS.search(text.lower()):
        for match in _STRONG.finditer(text):
            yield from _name(text, match, strong=True)
        for match in _SIGNED.finditer(text):
            if match["name"].split(" ")[0].lower() not in words("no_names"):
                yield match.span("name")
    for match in _WEAK.finditer(text):
        yield from _name(text, match, strong=False)
    for match in _GREETED.finditer(text):
        if match["name"].lower() in words("first_names"):
            yield match.span("name")
    if re.search("[叫名是姓]|本人", text):
        yield from _chinese_names(text)


def _name(text: str, match: re.Match, *, strong: bool) -> Iterator[Span]:
    said, start = match["said"], match.start("name")
    shouted = said.isupper() and len(said) > 3  # capitals show nothing then
    if match["name"][0].isupper() and not shouted:
        parts = match["name"].split(" ")
        while len(parts) > 1 and parts[-1].lower().strip(".") in words("no_names") | {"de", "la", "el", "al", "i"}:
            parts.pop()
        is_name = parts[0].lower() not in words("no_names") if strong else _is_known(parts)
        if not is_name and len(parts) == 1 and parts[0].lower() in words("first_names_and_words"):
            is_name = bool(_END.match(text, start + len(parts[0])))
    else:
        parts = _TWO_WORDS.match(text, start)[0].split(" ")
        if len(parts) > 1 and parts[1].lower() not in words("surnames"):
            parts.pop()
        is_name = parts[0].lower() in words("first_names")
        if strong and not is_name and not _CALLING.fullmatch(said):
            ends = _END.match(text, start + len(parts[0]))
            is_name = bool(ends) and len(parts[0]) > 2 and parts[0].lower() not in words("no_names")
    if not strong and is_name and len(parts) == 1 and _OFTEN_SOMETHING_ELSE.match(said):
        is_name = bool(_BEHIND_ITS.match(text, start + len(parts[0])))
    if is_name:
        name = " ".join(parts)
        yield start, start + len(name) - 2 * bool(_POSSESSIVE.search(name))


def _is_known(parts: list[str]) -> bool:
    """Whether words behind "I'm" are a name: a first name, or a likely one with a surname."""
    first, last = parts[0].lower(), parts[-1].lower()
    if first in words("first_names"):
        return True
    return len(parts) > 1 and last in words("surnames") | words("first_names") and first not in words("no_names")


_HAN = r"\u4e00-\u9fff"
# Surnames: the hundred and some that nine in ten people have.
# Surnames of nine in ten people; the second lot are words, too, and need a cue that nothing else has.
_DOUBLE = "欧阳|司马|上官|诸葛|司徒|皇甫|慕容|令狐|尉迟|东方|南宫|夏侯"
_FREQUENT = (
    "王李张刘陈杨赵黄周吴徐孙胡朱林何郭马罗梁宋郑谢韩唐冯董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶余潘杜"
    "戴夏钟汪田姜范姚谭廖邹熊陆郝崔邱秦顾侯邵孟段钱汤尹黎贺龚"
)
_FURTHER_SURNAMES = (
    "高于阎任方石金孔白康毛江史龙万雷易常武乔赖文庞樊兰殷施陶洪翟安颜倪严牛温芦季俞章鲁葛伍韦申尤毕聂丛焦"
    "向柳邢路岳齐梅莫庄辛管祝左涂谷祁时舒耿牟卜詹关苗凌费纪靳盛童欧甄项曲成游阳裴席卫屈鲍覃霍翁隋甘景薄单"
    "包司柏宁柯阮桂闵强华冉房边辜吉饶刁瞿戚丘古池滕晋苑邬臧畅宫褚廉简娄盖符奚木穆党燕郎邸冀谈姬屠郜晏栾郁"
    "蒙喻揭窦迟宇敖糜鄢卓仇艾蓝巩稽井练仲乐虞卞封竺冼原衣楚佟栗匡宗巫鞠僧桑荆谌银扬沙伏岑习胥蔺"
)
_SURNAME = rf"(?:{_DOUBLE}|[{_FREQUENT}{_FURTHER_SURNAMES}])"
_CLOSED = rf"(?=$|[^{_HAN}])"
_ENDED = (
    rf"(?=$|[^{_HAN}]|今年|今天|来自|是[一个名]|是在|现在|目前|正在|住在|在[{_HAN}]|想[问要咨]|也是|男|女|呀|啊|哦|呢|哈|吧"
    r"|就[好行]|有[一点些个])"
)
_OF_A_NAME = rf"(?:(?![我你他她它们叫是的了不吗呢么什谁])[{_HAN}])"
_GIVEN = rf"{_OF_A_NAME}{{1,2}}?"
_NICK = rf"(?:[小阿老]{_GIVEN}|(?P<twice>[{_HAN}])(?P=twice))"
_LATIN = r"[A-Za-z][A-Za-z'’\-]{1,20}(?: [A-Z][A-Za-z]{1,20})?(?![A-Za-z])"
_SOMEBODY = (
    r"(?:我|本人|俺|他|她|孩子|儿子|女儿|宝宝|老公|老婆|丈夫|妻子|妈妈|爸爸|母亲|父亲|男友|女友|男朋友|女朋友|对象|前任|朋友|闺蜜|室友"
    r"|同学|弟弟|哥哥|姐姐|妹妹|同事|老板|老师|医生)"
)
_STATED_ZH = re.compile(
    rf"(?:(?:名字|本名|真名|全名|大名|姓名|小名|乳名)\s?(?:就?是|叫做?|[:：=])|姓名)\s?"
    rf"(?P<name>{_SURNAME}{_GIVEN}{_ENDED}|{_NICK}{_ENDED}|(?![取起给很姓名]){_OF_A_NAME}{{2,4}}{_CLOSED}|{_LATIN})"
)
_CALLED_ZH = re.compile(
    rf"(?:{_SOMEBODY}(?:就|的?名字)?(?:名叫|叫做|叫)|姓[{_HAN}]{{1,2}}[，, ]{{0,2}}(?:名叫?|单名|叫)"
    r"|(?:叫|喊|称呼)我(?:为|做|作)?)"
    rf"\s?(?P<name>{_SURNAME}{_GIVEN}{_ENDED}|{_NICK}{_ENDED}|{_LATIN})"
)
_AM_ZH = re.compile(rf"(?:(?:我|这里|这边)就?是|本人是?)(?P<name>(?:{_DOUBLE}|[{_FREQUENT}]){_GIVEN}){_CLOSED}")
# Words that begin like a name. The first lot end there: 王子 is a prince, 王子轩 a name.
_WORD_ZH = re.compile(
    r"(?:"
    r"任性|高兴|高声|高级|高冷|方便|方向|黄金|黄昏|白天|金牌|金牛|温柔|安静|万分|向前|成功|包子|石头"
    r"|范围|龙虾|江湖|江苏|江西|江南|苏州|罗马|唐朝|孙子|孙女|林业|曾经|余生|余下|付出|王子|王者|李子"
    r"|陈述|陈旧|郑州|徐州|宋朝|叶子|孔雀|段子|秦朝|沈阳|马虎|明白|明显|单纯|武汉|康复|易怒|易感|时间"
    r"|时候|强迫|简单|乐观|商人|钟情|钟爱|梁上|陆军|顾虑|顾家|顾及|汤圆|曾用|王道|张嘴|刘海|杨梅|林妹"
    r"|宋体|唐山|于心|萧条|苏北|周岁|周期|周全|田野|田园|陆地|钱财"
    r")$"
)
_NO_NAME_ZH = re.compile(
    r"许多|许久|任何|高中|高一|高二|高三|高考|高个|高管|高智|高敏|高功|黄牛|黄种|白痴|白眼|白领|白羊"
    r"|常常|何必|何苦|何况|何时|何人|何等|何来|万一|万万|向来|成年|成绩|于是|顾客|毛病|严重|严肃|苏打"
    r"|周末|周[一二三四五六日围边]|谢谢|韩国|韩粉|程序|程度|胡说|胡思|胡乱|杜绝|丁克|付费|王牌|王八|莫名"
    r"|莫非|戴着|戴眼|熊猫|熊孩|董事|马上|单身|单亲|文科|文员|强行|华人|冷[静漠淡]"
    r"|老[师公婆板大爸妈实弟哥姐乡头是想觉会去家人外好]|老太|小[孩姐心偷妹弟哥子气丑三鬼声点时事区学众仙名朋的]"
    r"|小伙|阿[姨]|妈妈|爸爸|哥哥|姐姐|弟弟|妹妹|爷爷|奶奶|叔叔|伯伯|舅舅|姑姑|公公|婆婆|宝宝|太太"
    r"|姥姥|婶婶|慢慢|天天|多多|好好|快快|刚刚|看看|试试|救救|人人|马大哈|马后炮|马夫|黄皮|黄毛|黄花"
    r"|钟点|杜撰|潘多拉|孟婆|胡来|胡闹|胡扯|谢绝|陆续|段位|贺卡|夏令|王炸|张口|罗嗦|韩[系语剧]|唐氏"
    r"|许愿|丁点|徐徐|何方|何德|何尝|何其|程控|余[地光粮]|汪汪|范[例本]"
    r"|.{1,2}(?:老师|医生|先生|女士|小姐|同学|阿姨|经理|师傅|总)$"
)
_NO_LAST_ZH = re.compile("[的了么吗呢吧啊人者员们座党粉族型病辈派迷控猫狗]$")


def _chinese_names(text: str) -> Iterator[Span]:
    for pattern in (_STATED_ZH, _CALLED_ZH, _AM_ZH):
        for match in pattern.finditer(text):
            name = match["name"]
            if not (
                _WORD_ZH.match(name)
                or _NO_NAME_ZH.match(name)
                or _NO_LAST_ZH.search(name)
                or name.lower() in words("no_latin_names")
            ):
                yield match.span("name")
