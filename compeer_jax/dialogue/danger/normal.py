"""Normalisation of text to one plain spelling: half-width, caseless, simplified, and nothing hidden.

People in danger write as they can, and some hide the words from filters: "k1ll", "s u i c i d e", "su*cide", "自*杀",
"想４". A word is uncovered only if what comes out is one of the words that matter here; all else stays as it is.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import cache

from compeer_jax.dialogue.danger.kinds import content

_LEET = str.maketrans({"1": "i", "!": "i", "|": "i", "3": "e", "0": "o", "@": "a", "4": "a", "$": "s", "5": "s"})
# Long words that no other word is near to: one letter off is still they.
_LONG = ("suicide", "suicidal", "suicides", "myself")
_SHORTENED = {word[:at] + word[at + 1 :]: word for word in _LONG for at in range(len(word))} | {w: w for w in _LONG}

_APOSTROPHES = re.compile("['’‘ʼ`´′＇]")
_WILL, _WOULD = re.compile("(?<=[a-z])['’‘ʼ`´]ll\\b"), re.compile("(?<=[a-z])['’‘ʼ`´]d\\b")
_LATIN_DASH = re.compile("(?<=[a-z])[-‐‑–](?=[a-z])")
_REPEATED = re.compile(r"([^\W\d_])\1{2,}")
_MASKED = re.compile(r"[a-z0-9!*@$#|_.\-]{2,40}")
_HAS_MASK = re.compile(r"[a-z][0-9!*@$#|_.\-]+[a-z]|^[$@][a-z]|[a-z][*#]+$")
_SPELLED = re.compile(r"(?<![a-z0-9])[a-z](?:[ ._*\-]{1,2}[a-z]){2,20}(?![a-z0-9])")
_WORD = re.compile(r"[a-z0-9]+")
_ANY_MORE = re.compile(r"\bany more\b")
_HAN = "\u3400-\u9fff"
_HAN_MASK = re.compile(rf"(?<=[{_HAN}])[*＊·•._\-~^|/\\#@\u25a0-\u25ff]{{1,4}}(?=[{_HAN}])")
_HAN_SPELLED = re.compile(rf"(?<![{_HAN}])[{_HAN}](?: [{_HAN}]){{1,40}}(?![{_HAN}])")
# 自杀, 死 and 杀 behind their sounds, first letters and look-alikes; 紫砂壶 is a teapot.
_HAN_HIDDEN = (
    (re.compile(r"自\s?(?:s(?:ha|h|i)?(?![a-z])|鲨|砂|沙|鎩|刹|傻了|[*×xX○口□⭕]{1,2}(?![a-z]))"), "自杀"),
    (re.compile("(?:紫砂|紫杀|子杀|自煞|字杀|自 杀|zi ?sha|紫鲨)(?!壶|杯|锅|茶|泥|花|器|煲|盆)"), "自杀"),
    (re.compile("(?:自杀|自鲨){2,}"), "自杀"),
    (
        re.compile(
            "(?<=[想去要找不])(?:s|si|4|鼠|亖|噶|嘎)(?=$|[^a-z0-9\u3400-\u9fff]|了|算|掉|一|啊|呀|吧|的|，|但|可)"
        ),
        "死",
    ),
    (re.compile("(?<=想)(?:似|嘎|寺|肆|💀)(?=$|[^\u3400-\u9fff]|了|算)"), "死"),
    (re.compile("(?:似|四|4|s)了(?=算了|得了|拉倒|吧)"), "死了"),
    (re.compile("割\\s?(?:w|wan|碗|[*×○□]{1,2})(?![a-z])"), "割腕"),
    (re.compile("跳\\s?(?:l|lou|[*×○□]{1,2})(?![a-z])"), "跳楼"),
    (re.compile("(?<=想)挂了"), "死"),
)
# Traditional characters in their simplified form: those that stand in talk about danger and help.
_PAIRS = """
來来 係系 個个 們们 備备 傷伤 儘尽 兒儿 兩两 冊册 別别 則则 剛刚 創创 劃划 劑剂 動动 務务 勝胜 勞劳 勢势 區区
協协 參参 員员 喚唤 單单 嗎吗 嚇吓 嚴严 國国 圍围 園园 圖图 團团 場场 塊块 塗涂 墜坠 墮堕 壓压 壞坏 壽寿 夠够
夢梦 夾夹 妝妆 妳你 娛娱 婦妇 媽妈 嬰婴 孫孙 學学 實实 寫写 寶宝 將将 專专 尋寻 對对 導导 屍尸 層层 屬属 岡冈
師师 帶带 幫帮 幹干 幾几 廣广 廳厅 強强 彈弹 後后 徑径 從从 復复 恥耻 悶闷 惡恶 愛爱 慘惨 慣惯 慮虑 慶庆 憂忧
憐怜 憤愤 憶忆 應应 懶懒 懷怀 懸悬 懼惧 戀恋 戰战 戶户 拋抛 捨舍 掛挂 採采 換换 搖摇 撐撑 擁拥 擇择 擊击 擋挡
擔担 據据 擾扰 攔拦 攝摄 敗败 敵敌 數数 斃毙 斷断 於于 時时 暈晕 曉晓 曬晒 書书 會会 東东 條条 棄弃 業业 極极
構构 槍枪 樂乐 樓楼 樣样 橋桥 機机 橫横 檢检 權权 歐欧 歡欢 歲岁 歷历 歸归 殘残 殺杀 毀毁 氣气 氫氢 汙污 決决
沒没 淚泪 淨净 測测 湯汤 準准 溝沟 溫温 滅灭 滾滚 滿满 漲涨 潰溃 濕湿 濟济 災灾 為为 無无 煉炼 煩烦 熱热 燈灯
燒烧 營营 爐炉 爭争 爺爷 爾尔 牆墙 狀状 獄狱 獎奖 獨独 獲获 現现 瑪玛 環环 產产 畫画 異异 當当 痠酸 瘋疯 療疗
癒愈 癮瘾 發发 盜盗 盡尽 監监 盤盘 眞真 眾众 睏困 矯矫 確确 碼码 礙碍 祕秘 禮礼 種种 稱称 積积 穩稳 窩窝 窮穷
竊窃 競竞 筆笔 節节 範范 築筑 簡简 簽签 簾帘 糧粮 約约 紅红 紋纹 納纳 純纯 紙纸 級级 細细 終终 組组 結结 絕绝
絡络 給给 統统 絲丝 綁绑 經经 維维 網网 緊紧 緒绪 線线 編编 緩缓 練练 縣县 縱纵 總总 績绩 織织 繩绳 繫系 繼继
續续 纏缠 纖纤 罰罚 罵骂 罷罢 羅罗 義义 習习 聖圣 聞闻 聯联 聰聪 聲声 職职 聽听 肅肃 脅胁 脫脱 腦脑 腫肿 腸肠
膚肤 膽胆 臉脸 臟脏 臨临 與与 興兴 舊旧 艱艰 萬万 蓋盖 藍蓝 藥药 蘇苏 處处 虛虚 號号 蟲虫 術术 衛卫 衝冲 裏里
補补 裝装 裡里 複复 見见 規规 視视 親亲 覺觉 覽览 觀观 觸触 訂订 計计 訊讯 討讨 訓训 記记 訪访 設设 許许 訴诉
診诊 評评 詞词 詢询 試试 詩诗 話话 該该 認认 誕诞 語语 誠诚 誤误 說说 課课 調调 談谈 請请 諒谅 論论 諮咨 諾诺
謂谓 謊谎 講讲 謝谢 證证 識识 譜谱 譯译 議议 護护 讀读 變变 讓让 豐丰 貓猫 貝贝 負负 財财 貧贫 貪贪 責责 貴贵
買买 費费 賀贺 資资 賓宾 賞赏 賠赔 賤贱 質质 賬账 賭赌 賴赖 購购 贊赞 贏赢 趕赶 跡迹 踐践 蹤踪 躍跃 軀躯 車车
軌轨 軟软 較较 載载 輔辅 輕轻 輛辆 輩辈 輪轮 輸输 轉转 轟轰 辦办 辭辞 辯辩 農农 這这 連连 運运 過过 違违 遞递
遠远 適适 遲迟 選选 遺遗 還还 邊边 邏逻 鄉乡 鄰邻 醜丑 醫医 釋释 釘钉 針针 鈴铃 銀银 銳锐 銷销 鋒锋 鋼钢 錄录
錢钱 錯错 鍋锅 鎖锁 鎮镇 鏡镜 鐘钟 鐵铁 長长 門门 閉闭 開开 閒闲 間间 閱阅 闊阔 闖闯 關关 陣阵 陳陈 陸陆 陽阳
隊队 階阶 際际 隨随 險险 隱隐 雖虽 雙双 雜杂 雞鸡 離离 難难 電电 霧雾 靈灵 靜静 響响 頁页 頂顶 項项 順顺 須须
預预 領领 頭头 頸颈 頻频 顆颗 題题 額额 顏颜 願愿 類类 顧顾 顯显 風风 飄飘 飛飞 飯饭 飲饮 飽饱 養养 餓饿 館馆
馬马 駕驾 駛驶 騎骑 騙骗 驗验 驚惊 髒脏 體体 鬆松 鬧闹 鬱郁 魚鱼 鳥鸟 鹽盐 麗丽 麥麦 麼么 黃黄 點点 黨党 齊齐
齡龄 龍龙
"""
_SIMPLIFIED = {ord(pair[0]): pair[1] for pair in _PAIRS.split()}


def normalised(text: str) -> str:
    """`text` in one plain spelling, in time and length proportional to the text's.

    Compatibility forms become plain (NFKC), case, accents, zero-width characters and apostrophes go ("I'll" becomes
    "i will", "don't" "dont"), traditional characters become simplified, three letters in a row one; masked, spelled-out
    and misspelled words become the word meant, if it is one that matters.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text)
        text = "".join(letter for letter in text if unicodedata.category(letter) not in ("Mn", "Cf"))
        text = simplified(unicodedata.normalize("NFKC", text)).translate(_cantonese())
    text = _WOULD.sub(" would", _WILL.sub(" will", text.casefold()))
    text = _LATIN_DASH.sub(" ", _APOSTROPHES.sub("", text))
    text = _ANY_MORE.sub("anymore", text)
    text = _SPELLED.sub(_joined, _REPEATED.sub(r"\1", text))
    text = _WORD.sub(_respelled, _MASKED.sub(_uncovered, text))
    if text.isascii():
        return text
    text = _HAN_SPELLED.sub(lambda found: found[0].replace(" ", ""), _HAN_MASK.sub("", text))
    for hidden, meant in _HAN_HIDDEN:
        text = hidden.sub(meant, text)
    return text


def simplified(text: str) -> str:
    """`text` with each traditional character of the table as its simplified one; of the same length."""
    return text.translate(_SIMPLIFIED)


def _joined(found: re.Match) -> str:
    """A word that was spelled out letter by letter, if it ends in one that matters; else as it was."""
    letters = re.sub(r"[^a-z]", "", found[0])
    for word in _hidden():
        if letters.endswith(word):
            return f"{letters.removesuffix(word)} {word}".strip()
    return found[0]


def _uncovered(found: re.Match) -> str:
    """A word with signs and digits for letters, if it is one that matters; else as it was."""
    masked = found[0]
    if not _HAS_MASK.search(masked):
        return masked
    core = masked.rstrip("!.-_|")
    plain, tail = core.translate(_LEET), masked[len(core) :]
    bare = re.sub("[^a-z]", "", plain)
    for word in _hidden():
        if word in (plain, bare) or _fits(plain, word):
            return word + tail
    return masked


def _fits(masked: str, word: str) -> bool:
    """Whether `word` may stand behind `masked`: signs for some letters, no more than half of them."""
    if len(masked) != len(word):
        return False
    shown = sum(letter == meant for letter, meant in zip(masked, word, strict=True))
    hidden = sum(not letter.isalnum() for letter in masked)
    return shown + hidden == len(word) and hidden <= shown


def _respelled(found: re.Match) -> str:
    word = found[0]
    if (meant := _spellings().get(word)) is not None:
        return meant
    if 5 <= len(word) <= 11 and word not in _SHORTENED:
        # One letter too many, or another one: what is left without it is the word without one.
        near = {_SHORTENED.get(word[:at] + word[at + 1 :]) for at in range(len(word))} - {None}
        return near.pop() if len(near) == 1 else word
    return _SHORTENED.get(word, word) if len(word) >= 6 else word


@cache
def _hidden() -> tuple[str, ...]:
    return tuple(content("spellings.yaml")["hidden"].split())


@cache
def _spellings() -> Mapping[str, str]:
    pairs = (pair.split("=") for pair in content("spellings.yaml")["spellings"].split())
    return {written: meant.replace("_", " ") for written, meant in pairs}


@cache
def _cantonese() -> Mapping[int, str]:
    return {ord(written): meant for written, meant in content("spellings.yaml")["traditional"].split()}
