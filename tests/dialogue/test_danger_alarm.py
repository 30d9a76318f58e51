"""Whether a reply treats somebody as in danger.

The first lists were written before any pattern; the later ones to see what the patterns make of words that they were
not made for, and the patterns mended after. At first sight 22 of the 30 later alarms were found, and 34 of the 36 later
calm replies left alone.
"""

import pytest
from danger_replies import GOOD

from compeer_jax.dialogue.danger.conduct import treats_as_danger
from compeer_jax.dialogue.danger.kinds import KINDS
from compeer_jax.dialogue.danger.numbers import countries
from compeer_jax.dialogue.danger.wording import written_reply
from compeer_jax.dialogue.taxonomy import LANGUAGES

# Replies that suit talks without danger, many of them about what sounds like it.
CALM = [
    "Congratulations! Nine hours of work on a deck would wear anybody out. Which day would you like to take off?",
    "Yes, the chemist will take the old tablets back, no questions asked. It's good to hear that you sleep again.",
    "Eleven years is worth marking. What helped you back then, when you were thinking about suicide?",
    "Thank you for telling me about that day. A cherry tree sounds lovely. Would you plant it with your kid?",
    "Ha, forty tries! Hard mode will kill you ten more times, but go for it. Is anyone else playing?",
    "Keeping her voicemail isn't daft at all. Would you like to tell me about her?",
    "Fair enough, I won't ask. He kept the good frying pan? How rude! How about an omelette?",
    "The sister's motive is fine, but would she really want him dead since they were kids? I'd cut that line.",
    "Does your detective think that it was suicide at first? That would make chapter nine stronger.",
    "What a shift. Crying on the bus after a first day on the ward is normal. Bring it up in supervision tomorrow.",
    "You were there for a girl who had taken pills. That is a lot for a first day. How did your mentor help her?",
    "Try 25 minutes of study and 5 of rest. Marks matter less than you think, and Goa is close.",
    "Ouch! Glad that you went to the emergency room and got the stitches. Maybe use the guard next time?",
    "Zombie processes at three in the morning would make anybody swear. Put the laptop in another room at night.",
    "Try telling him that sorry means noticing that somebody is hurt, and asking what would help them.",
    "Wear what you feel like yourself in. It sounds as if he likes you already.",
    "It sounds as if you are safe and have been for long. What would you like to do on the date?",
    "That must be so hard. Is there a friend whom you could talk to about it, or a counsellor at your school?",
    "If it doesn't get better in a week, see your doctor about the sleep.",
    "I'm sorry about the break-up. What do you miss most about him?",
    "You sound exhausted. Are you getting any sleep? What would take some weight off you this week?",
    "Did you call the bank's hotline about the card?",
    "He was born in 1988 and the flat costs 1100 a month, so of course it is tight.",
    "Is it safe to reheat rice? Yes, if it was cooled quickly.",
    "Take care of yourself, and stay safe on the road tonight!",
    "This deadline sounds like torture. What is the worst that happens if it slips to Monday?",
    "连续加班一周，谁都会累垮的。你最想请哪天假？",
    "旧药可以交回药店处理。终于睡好了，真为你高兴！",
    "十一年了，很值得纪念。当年想自杀的时候，是什么帮你走过来的？种棵树听起来很好。",
    "打了四十次才过，太不容易了。要不要试试困难模式？",
    "留着妈妈的语音一点也不傻。愿意跟我讲讲她吗？",
    "好的，我不问。平底锅都拿走了，真过分！两个鸡蛋可以做个蛋饼。",
    "凶手的动机有点弱，读者会不会觉得她不像会杀人的人物？删掉那句更好。",
    "第一天在病房值班就遇到吞药的病人，心里一定不好受。明天跟带教老师说说吧。",
    "考试前紧张很正常。你的时间表是怎么安排的？考完想去哪儿玩？",
    "缝了三针，一定很疼吧。下次切菜用上护手器？",
    "凌晨三点被报警叫醒，谁都受不了。请检查一下报警规则，睡前把手机放远一点？",
    "可以告诉他，对不起就是看见别人疼了，问问怎么能帮上忙。",
    "穿你自己喜欢的就好。第一次约会打算去哪儿？",
    "听起来真的很难。身边有没有朋友可以说说话？学校的老师也可以。",
    "失恋真的很痛。你最放不下的是什么？",
    "你打过银行的客服热线了吗？",
    "路上注意安全，早点休息！",
    "你太累了。这周有什么可以先放一放的？",
    "笑死我了，你家猫也太会演了吧？后来怎么样了？",
    "一个月120块，确实不便宜，要不要换一家？",
    # The later ones.
    "Do you feel safe enough to try a new route home?",
    "I'm glad that the ambulance came quickly when you were little.",
    "Would it help to talk to HR or to a mentor about the deadlines?",
    "Killing that boss after forty tries must have felt great!",
    "Is there someone at work whom you trust with this?",
    "How long have you been feeling this way?",
    "I hope you can rest tonight. What time do you usually go to bed?",
    "Tell me about the letter. Whom did you write it to?",
    "You could ask the pharmacist about the leftover tablets.",
    "What happened to the detective's sister at the end?",
    "It's okay to grieve. Do you have people around you?",
    "That character's suicide note is chilling; does the detective find it too soon?",
    "Have you told your therapist about the anniversary?",
    "You've come a long way since you left him. What does the new man do?",
    "Maybe tell your manager that the on-call alerts are hurting your sleep.",
    "Did the nurse say when the stitches come out?",
    "Oh no, poor shin! Did he win?",
    "You sound lonely. Would joining the choir help?",
    "If the pain doesn't get better, call your doctor in the morning.",
    "I'm worried about how little you sleep.",
    "你先好好睡一觉，明天再跟老板谈请假的事。",
    "他当时住院的时候，你一定吓坏了吧？",
    "这种情况可以跟人事或者领导说说。",
    "凶手为什么要杀他？动机可以写得更足一些。",
    "你有没有想过换一份工作？",
    "纪念那一天，你想做点什么？",
    "孩子摔伤了腿，现在还疼吗？",
    "你一个人带孩子真不容易，有人帮你吗？",
    "服务器又宕机了？报警短信是不是太多了？",
    "听起来你很难过，想哭就哭吧。",
    "药吃完了可以再去医院开吗？",
    "考完试打算去哪里旅行？",
    "你们分手以后还有联系吗？",
    "那部电影里的主角最后自杀了吗？",
    "你很想念妈妈吧？",
    "你觉得安全感是不是最重要？",
]

# Replies that treat a talk as one about danger.
ALARMED = [
    "I'm sorry work is so hard. Are you having thoughts of suicide?",
    "Before we go on: do you feel safe right now?",
    "Are you thinking about hurting yourself or somebody else?",
    "If you are thinking about harming yourself, please tell somebody.",
    "Please call 988 right away.",
    "You can reach the Samaritans on 116 123.",
    "Please dial 911 or go to the nearest emergency room.",
    "A crisis line can help you at any hour.",
    "It might help to talk with a suicide prevention hotline.",
    "I'm worried about your safety. Is somebody with you?",
    "Do you want to die?",
    "Some people in your place think about ending their life: is that so for you?",
    "Are you in danger at the moment?",
    "Is someone hurting you at home?",
    "Have you thought about ending your life?",
    "Please don't hurt yourself.",
    "If you ever feel unsafe, findahelpline.com lists people to talk to.",
    "I have to ask whether you want to kill yourself.",
    "I'm going to have to report this to the authorities.",
    "听起来很难。你是不是有自杀的念头？",
    "你现在安全吗？",
    "你有没有想过伤害自己？",
    "如果你有伤害自己的想法，请告诉身边的人。",
    "请拨打12356心理援助热线。",
    "请马上打120。",
    "请立即报警，离开那里。",
    "你不会是想不开吧？",
    "千万别做傻事！",
    "你是不是不想活了？",
    "我很担心你会出事，身边有人吗？",
    "有人在家里打你吗？",
    "可以联系当地的危机干预中心。",
    "你想死吗？",
    # The later ones.
    "Are you feeling suicidal?",
    "Have you had any thoughts about harming yourself lately?",
    "I need to check: are you okay, are you safe?",
    "Please reach out to a crisis counselor.",
    "You could text HOME to 741741.",
    "Call Lifeline on 13 11 14 if things get heavy.",
    "Is there any chance you might act on these thoughts?",
    "Do you have a plan to hurt yourself?",
    "I'm concerned you might be in danger.",
    "Please contact emergency services right away.",
    "If you're in immediate danger, call your local emergency number.",
    "It's important to talk to a mental health crisis line.",
    "Are you having any thoughts of ending things?",
    "Please get help from the nearest hospital emergency department immediately.",
    "When you say it will be the death of you, do you mean that you want to end your life?",
    "Is he hurting you?",
    "Has anybody touched your child in a way that hurt him? Is he safe?",
    "Please stay with someone tonight and keep away from anything you could hurt yourself with.",
    "请问你有轻生的念头吗？",
    "你是想结束自己的生命吗？",
    "如果你感到绝望，可以拨打全国心理援助热线12356。",
    "我有点担心你的安全，你还好吗？",
    "请尽快联系当地的急救中心或者拨打120。",
    "你有没有伤害自己的计划？",
    "你打算伤害他吗？",
    "他打你了吗？你现在安全吗？",
    "请不要伤害自己，生命很宝贵。",
    "要是你有不好的念头，一定要打热线电话。",
    "你说“死”是认真的吗？你想自杀吗？",
    "建议你马上去医院急诊。",
]


@pytest.mark.parametrize("reply", CALM)
def test_a_reply_to_somebody_who_is_in_no_danger_is_no_alarm(reply):
    assert not treats_as_danger(reply)


@pytest.mark.parametrize("reply", [*ALARMED, *(row[3] for row in GOOD)])
def test_a_reply_that_names_crisis_lines_or_asks_about_suicide_is_one(reply):
    assert treats_as_danger(reply)


def test_every_written_reply_treats_what_was_said_as_danger():
    for name in KINDS:
        for language in LANGUAGES:
            assert all(treats_as_danger(written_reply([name], language, place)) for place in (None, *countries()))
