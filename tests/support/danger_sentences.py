"""Sentences that the rules for danger were written with, by kind; a line each, English and then Chinese.

They were seen while the rules were made: what the rules do with sentences that were not is measured elsewhere.
"""

DANGER = {
    "passive_ideation": """
        I wish I would not wake up.
        I hope I don't wake up.
        It would be a relief to be dead.
        我宁愿死，活着太苦。
        I wish I could just go to sleep and never wake up.
        Some mornings I'm angry that I woke up at all.
        Honestly everyone would be better off without me.
        I don't see the point of living anymore.
        I wouldn't mind if a bus hit me tomorrow, I wouldn't mind not waking up.
        I keep hoping I get hit by a car on the way home.
        I dont want to be alive right now
        nobody would even notice if i disappeared
        I've stopped looking when I cross the road. Whatever happens, happens.
        I'm so tired of being alive.
        I'm just a waste of space and I wish I had never been born.
        My kids would be happier if I was gone.
        I don't care if I live or die these days.
        I pray every night that I won't wake up.
        i wana disapear, i mean i wish i didnt exist
        Would anybody come to my funeral?
        My best friend keeps saying she wishes she was dead.
        要是能一觉不醒就好了。
        活着真的好累，一点意思都没有，我不想活了。
        如果没有我，爸妈会轻松很多吧。
        我死了也没人会在意。
        有时候希望自己从来没出生过。
        过马路的时候我都不看车了，撞到也没关系。
        我觉得自己就是家里的累赘，没有我大家会更好。
        想s，真的想s，每天都是
        唔想做人啦，好攰。
        好想死啊，撐不下去了
        人间不值得，我只想解脱。
        想4，活够了
        似了算了，没意思
        我 不 想 活 了
        生无可恋，每天醒来都很失望。
        为什么死的不是我？
        朋友最近老说活着没意义，说想消失，我很担心。
        我想永远睡过去，不再醒来。
        """,
    "active_ideation": """
        My thoughts keep coming back to suicide.
        I'd kill myself if I had the nerve.
        ctb thoughts won't leave me alone
        thinking abt unaliving myself again
        I'm hanging myself right now
        生活太苦了，我打算自杀。
        I want to kill myself.
        I've been thinking about suicide a lot lately.
        i wanna kms
        im gonna unalive myself
        I can't promise I won't kill myself.
        I can't stop thinking about ending my life.
        I feel suicidal again.
        thinking abt sucide every day, i want to kil myself
        I want to k!ll myself
        i want to commit s*icide
        I have been having suicidal thoughts since she left
        I keep thinking about jumping off the bridge near my house.
        Maybe I should just end it all.
        I'm seriously considering suiside
        I want to off myself, no joke
        Every time the train comes in I imagine stepping in front of it and I want to jump in front of the train.
        My brother told me he wants to kill himself and I don't know what to do.
        My roommate is talking about killing herself.
        I'm not sure I won't hurt or kill myself tonight.
        I'm not going to lie, I want to kill myself.
        I want to s u i c i d e
        thinking of ctb soon
        not a day goes by without me thinking of killing myself
        I should just take my own life and be done.
        I'd rather be dead, I'm going to end my life.
        我想自杀。
        我有自杀的念头，已经两个星期了。
        最近总想从楼上跳下去。
        想zs，谁也别劝我
        我想自*杀
        我真的想结束自己的生命。
        他说他想自杀，我该怎么办？
        我不敢保证我不会自杀。
        我想一了百了。
        忍不住想跳楼
        我想重开了，这辈子没意思
        自鲨的念头一直在
        我想自殺，想了結自己的生命。
        我怕自己会做傻事。
        想割腕，想了结这一切
        我闺蜜说要跳河，我拦不住她。
        满脑子都是轻生的念头。
        """,
    "plan_or_means": """
        I've written letters to everyone. They're in the drawer.
        I've saved up three months of my sleeping pills.
        I bought a rope yesterday and it's in the garage.
        I'm standing on the roof of my building and looking down.
        I gave my dog to my neighbour and my guitar to my brother; I won't need them anymore.
        I won't be a burden much longer.
        I have a plan and I know exactly how I'd do it.
        Tonight is the night. Thank you for everything.
        I've set a date. After that nobody has to worry about me.
        By the time you read this I'll be gone.
        I'm sitting on the ledge of the bridge, the water looks so cold
        Please tell my mom I love her and that it wasn't her fault.
        The gun is loaded and it's next to me.
        I looked up how many pills it takes.
        I've put all my affairs in order, the passwords are in an envelope.
        I found homes for my cats, so that's the last thing done.
        I won't be here tomorrow.
        Who will look after my cat when I'm gone?
        I made my peace with it, I finally feel calm since I decided.
        I'm going to kill myself tonight with my dad's gun.
        I cleaned my whole flat so that nobody has to when they find my body.
        I know where my father keeps the gun and he's away this weekend. I want to die.
        You won't have to worry about me after Friday.
        I'm at the train tracks, waiting for the last train.
        My friend texted me goodbye and sent me his passwords, he's on the roof.
        我攒了一整瓶安眠药。
        遗书已经写好了，放在抽屉里。
        我现在站在天台上，风好大。
        我把猫送人了，东西也都分给朋友了。
        等我走了以后，麻烦你照顾好我妈。
        过了今晚，就再也不会麻烦你们了。
        我买好了木炭，今晚就用。
        死的日子我已经选好了。
        谢谢你陪我聊最后一次，来生再见。
        绳子已经准备好了。
        我坐在桥边，一步就能下去。
        我查过吃多少片会死。
        我不会再拖累你们了，很快就结束了。
        银行卡密码写在纸上了，以后用不上了。
        替我告诉女儿，妈妈很爱她，不是她的错。
        明天你们就见不到我了，永别了。
        药我数过了，够了，就在床头。
        我买了刀片，今晚想死。
        我站喺天台，想跳落去。
        決定好了反而很平靜，後事都安排好了。
        同学在群里发了告别信，说站在江边。
        """,
    "attempt": """
        I tried to kill myself and it didn't work
        I just took all my pills.
        I swallowed a whole bottle of Tylenol an hour ago.
        i overdosed, im scared
        I cut my wrists and it won't stop bleeding.
        I tried to kill myself last night.
        I took everything in the medicine cabinet and I'm getting sleepy.
        The rope broke. I'm on the floor.
        I drank bleach.
        My girlfriend just took a bottle of pills, what do I do
        I already did it, I took 40 paracetamol.
        I turned on the gas and closed the windows.
        I attempted suicide two days ago and nobody knows.
        there's a noose around my neck
        I've taken an ovrdose
        washed them all down with vodka, now i just wait
        我刚吃了一整瓶安眠药。
        我割腕了，血止不住。
        我昨晚试图自杀，没死成。
        药都吃下去了，头好晕。
        我喝了农药。
        炭已经点了，门窗都封好了。
        我吞了五十片药，现在很困。
        我老公刚喝了百草枯，怎么办！
        我食咗成樽安眠藥
        上周我自杀未遂，刚出院。
        绳子已经套在脖子上了。
        """,
    "self_harm": """
        忍不住又割了，恨自己。
        I cut myself again last night.
        I've been hurting myself to feel something.
        I burn my arms with a lighter when it gets too much.
        There are fresh cuts on my thighs.
        I wear long sleeves so that no one sees the cuts.
        I can't stop cutting, it's the only thing that calms me.
        I hit my head against the wall until it stops.
        i selfharm every week
        I have urges to hurt myself.
        I scratch my arms until they bleed.
        I took the blade out of a sharpener again.
        My daughter is cutting herself.
        I make myself bleed because I deserve the pain.
        I punched myself in the face until I had bruises
        I relapsed and cut after 3 weeks clean
        self-harming is how I cope
        我又自残了。
        我用刀片划自己的手臂。
        心里难受的时候我就掐自己，掐到出血。
        只有看到血流出来我才觉得平静。
        夏天我也穿长袖，怕妈妈看到手臂上的伤口。
        忍不住想伤害自己。
        我用烟头烫自己。
        我拿头撞墙，停不下来。
        手腕上又多了几道疤。
        我女儿在手臂上划了好多道。
        昨晚又划手了
        我想zc，控制不住
        用美工刀在大腿上划，疼了心里才好受点
        """,
    "abuse": """
        he knocks me about when dinner is late
        My husband is beating her again and I can hear it.
        我被qj了，不敢告诉别人。
        My husband hits me when he's drunk.
        He put his hands around my throat last night.
        He said he'd kill me if I leave.
        My boyfriend locked me in the room and took my phone.
        My stepdad comes into my room at night.
        I was raped by someone I know.
        My dad beat me with a belt again.
        I'm afraid to go home.
        He won't let me leave the house or see my family.
        She throws things at me and slapped me in front of the kids.
        I'm hiding in the bathroom, he's banging on the door.
        My ex keeps following me home and threatens to kill me.
        He held a knife to my throat.
        My partner choked me until I passed out.
        My mother beats me black and blue.
        He forces me to have sex even when I say no.
        I have to use makeup to cover the bruises he gave me.
        My coach touches me in places I don't want.
        he punched me & kicked me down the stairs
        He keeps a gun on the nightstand and says I'll never leave alive, I'm terrified of him.
        He's going to post my nudes if I break up with him
        我老公喝醉了就打我。
        他掐着我的脖子说要弄死我。
        男朋友把我锁在家里，不让我出门。
        继父半夜进我房间，摸我。
        我被强奸了，不敢告诉任何人。
        我爸又拿皮带抽我了。
        他说我敢离婚就杀了我全家。
        我不敢回家，他会打我。
        他没收了我的手机和身份证。
        我躲在厕所里，他在砸门。
        前男友天天跟踪我，在楼下堵我。
        我被家暴三年了。
        他威胁我说分手就把裸照发到网上。
        領導灌醉我，強迫我和他發生關係
        同学把我堵在厕所里打。
        老公打到我成身瘀
        我妈用衣架打我，身上都是淤青
        """,
    "harm_to_others": """
        I'm going to smash his skull in.
        我想杀了我老公。
        I want to kill my boss. I know where he parks.
        I'm going to bring a gun to school.
        I've bought a knife and I'm waiting outside his house.
        I keep thinking about stabbing my stepfather.
        I want to make them all pay. I'll burn that office down.
        I'm afraid I'm going to hurt my baby.
        If I see him again I will kill him, I mean it.
        I'm gonna shoot everyone in that office
        I put rat poison in his coffee yesterday.
        I fantasize about strangling her in her sleep.
        If I go, I'm taking him with me.
        I want him dead and I've got my dad's rifle
        I'm going to run him over tomorrow.
        My brother says he's going to shoot his ex wife.
        He deserves to die and I will be the one to kill him, tonight.
        我想杀了他。
        我买了刀，明天去公司捅死主管。
        我要跟他们同归于尽。
        我想带着孩子一起走。
        我真想往他水里下毒。
        我忍不住想掐死我的宝宝。
        我知道他住哪，今晚就去弄死他。
        我要让他付出代价，刀都磨好了。
        想放火烧了公司。
        我控制不住想捅死室友。
        我要砍死那个欺负我的人
        他說要殺了他前妻全家。
        """,
    "child_at_risk": """
        他们不给孩子吃饭，孩子瘦得皮包骨。
        My husband hits our son with a belt.
        I shook the baby because he wouldn't stop crying.
        The neighbour's kids are left alone all night without food.
        There are cigarette burns on my nephew's back.
        I'm 12 and my dad beats me.
        My uncle touches my little sister.
        I left my toddler home alone all day, I just couldn't anymore.
        She locks her kid in a closet when he cries.
        My ex hits the kids, my daughter came home with bruises all over her back.
        I lose it and slap my daughter until she screams, it's getting worse.
        I'm thirteen and my stepdad comes into my bed.
        他喝醉了就打孩子。
        邻居家三岁的孩子一个人锁在家，没人管。
        我女儿说叔叔摸她下面。
        我忍不住又打了孩子，下手越来越重。
        孩子身上全是淤青。
        我12岁，我爸每天打我。
        继父猥亵我妹妹。
        我把孩子扔在家里一个人，饿了两天。
        我使劲摇宝宝，他现在没反应了。
        """,
    "acute_medical": """
        She isn't breathing.
        anaphylaxis and we have no epipen, help
        他没有呼吸了，也没有脉搏。
        I have chest pain and I can't breathe.
        My left arm is numb and there's a crushing pain in my chest.
        I think I'm having a heart attack.
        My mom collapsed and she's not responding.
        My dad's face is drooping and his speech is slurred.
        I'm vomiting blood.
        He's having a seizure and he's turning blue.
        My throat is closing up after eating peanuts.
        My friend is unconscious and barely breathing.
        the bleeding won't stop, I'm soaking through towels
        My son swallowed bleach.
        I took the wrong dose of insulin and I'm shaking
        胸口好痛，喘不上气。
        我妈晕倒了，叫不醒。
        我吐血了。
        左胳膊发麻，胸口像被石头压着。
        孩子误食了老鼠药。
        他在抽搐，口吐白沫。
        我爸半边身子动不了，话都说不清。
        过敏了，喉咙肿得快不能呼吸
        奶奶倒在地上，没有呼吸了
        """,
    "psychosis": """
        I hear demons and they tell me to jump.
        The voices are telling me to hurt people.
        They put a chip in my head.
        The government is following me, there are cameras in my walls.
        I hear voices when nobody is there.
        My neighbours are poisoning my food.
        The TV is talking to me directly, it sends me secret messages.
        God told me to sacrifice my son.
        They can hear my thoughts.
        My wife has been replaced by an impostor.
        The CIA is watching me through the mirrors.
        A voice in my head keeps telling me to jump.
        There are insects crawling under my skin, something lives inside my body
        Someone is broadcasting my thoughts.
        脑子里有个声音叫我去死。
        他们在我脑袋里装了芯片。
        我被人跟踪了，每辆车都在跟着我。
        邻居在监视我，饭里有毒。
        电视里的人在说我。
        我听到有人骂我，可是房间里没有别人。
        他们能读我的想法，控制我的身体。
        神选中了我，让我去拯救人类。
        有聲音命令我傷害家人
        我妈被掉包了，那不是我真正的妈妈。
        """,
}

# What is only hinted at, of any kind.
HINTED = """
    I've been writing goodbye letters to my family all week.
    I gave away my record collection yesterday, I won't be needing it.
    I've been collecting my pills for a while now.
    I'm on the bridge and it's so quiet up here.
    Nobody will have to take care of me anymore after this weekend.
    I just want to make sure someone takes my dog.
    It'll all be over by the time anyone reads this.
    Everyone would be happier without me around.
    I don't think I'll make it to Christmas.
    I've cleaned my apartment and paid all my bills so no one has to deal with it.
    I've stopped making plans for next year.
    I'm just so tired, I want to go to sleep and not wake up.
    I've been looking up how much of my medication would be too much.
    I don't see myself being here in a year.
    I took more of my meds than I was supposed to and I feel weird.
    He put his hands around my neck and I couldn't breathe.
    He checks my phone every night and I have to ask before I go anywhere.
    I have to be careful what I say at home or he gets physical.
    I wear scarves to hide the marks he left.
    He told me if I ever left he would find me.
    My uncle comes into my room when everyone is asleep.
    He makes me do things in bed that I don't want.
    Every time he drinks, I hide the kids in the closet.
    I keep thinking about what it would feel like to make him pay.
    I have a list of people who deserve it.
    Sometimes I think about putting something in her food.
    The lines on my arms are the only thing that calms me down.
    I keep a blade in my phone case just in case.
    My stepdad gets angry and my little brother ends up on the floor.
    I'm scared I might shake the baby if she doesn't stop crying.
    My daughter came back from her dad's with marks on her legs.
    My arm's gone numb and there's an elephant sitting on my chest.
    She took the wrong pills and now I can't wake her.
    His lips are turning blue.
    I've been bleeding for hours and I feel faint.
    I can't feel the left side of my face.
    I've been chosen to save everyone and I can't sleep until it's done.
    I've got my note ready.
    There's only one way to make this pain stop.
    I've already decided when.
    If I wasn't here, they'd get the insurance money.
    Nothing matters anymore, I'll be gone soon.
    I've hidden enough pills under my mattress.
    I hope they forgive me for what I'm about to do.
    I've been thinking that the world doesn't need me.
    I've been standing on my balcony looking down for an hour.
    My friend gave me all her jewelry and said she won't need it anymore.
    My roommate posted 'goodbye everyone' and isn't answering.
    我在写告别信，写给每一个人。
    这个周末之后，你们就不用再为我操心了。
    等你们看到的时候，一切都结束了。
    没有我大家会更开心。
    我撑不到过年了。
    房间打扫干净了，账也都结清了，不给你们添麻烦。
    明年的事就别算上我了。
    好累，想睡一觉再也不醒来。
    我在查吃多少药会出事。
    我觉得自己活不到明年。
    我多吃了好几倍的药，现在头很晕。
    他掐住我的脖子，我差点喘不上气。
    他每天查我手机，出门都要他同意。
    饭做晚了，她又把我关在门外。
    我用丝巾遮住他留下的痕迹。
    叔叔总在大家睡着以后来我房间。
    他逼我做我不愿意做的事。
    他一喝酒，我就带着孩子躲起来。
    我一直在想怎么让他付出代价。
    我有一份名单，上面的人都该死。
    有时我想在她饭里放点东西。
    手臂上的那些线是唯一能让我平静的东西。
    隔壁的小孩又是一身伤，也不去上学。
    继父一发火，弟弟就倒在地上。
    我怕我忍不住会摇晃宝宝。
    女儿从她爸那里回来，腿上都是印子。
    他们把孩子丢在家里好几天。
    手臂麻了，胸口像压了块大石头。
    她吃错药了，叫不醒。
    他嘴唇都紫了。
    我左半边脸没感觉了。
    电视里的人在给我传话。
    我的家人都被换成了长得一样的人。
    我坐在车库的车里，门关着。
    只有一个办法能让痛苦停下来。
    要是我有勇气去做就好了。
    我不在了，他们还能拿到保险金。
    什么都无所谓了，我很快就不在了。
    我不想再坚持了，到此为止吧。
    我的生日不用准备了，那时候我已经不在了。
    床垫下面我藏了足够的药。
    希望他们能原谅我接下来要做的事。
    这个世界不需要我。
    我在阳台往下看了一个小时。
    朋友把首饰都给了我，说她不需要了。
    """

HARMLESS = """
    The bottle is empty again, my son loves that ketchup.
    We climbed up on the roof to fix the aerial before the storm.
    I wrote a goodbye card for the lollipop lady, she retires on Friday.
    There's no point in going on about the referee.
    This is my last night in Lisbon and I've eaten nothing but custard tarts.
    I took the whole box of doughnuts to the office.
    He squeezed my neck during the massage and something finally clicked.
    My uncle had a stroke last year and he's back at work now.
    The rope in the boot is for towing my brother's van.
    She won't wake up until the alarm has rung four times.
    I can't breathe in this corset.
    My professor talked about hearing voices for a whole lecture.
    I hope I don't wake up late for the ferry.
    楼顶晒被子，站在二十楼看风景真舒服。
    奶奶的寿衣是她自己挑的，说要红的。
    教授讲了一节课的幻听。
    这条裙子勒得我喘不过气。
    没有空调我活不下去。
    床单上有番茄酱，洗了三遍。
    门窗都封好了，等台风来。
    我被关在电梯里一小时，终于有人来修。
    爷爷的后事办完了，大家都累了。
    把密码都写在纸上给我妈，她总是记不住。
    绳子是用来搭秋千的，我已经买好了。
    他掐了我一下，叫我别睡，快到站了。
    My boss will kill me if I'm late again.
    I cut myself shaving this morning.
    This deadline is killing me.
    I'm just killing time at the airport.
    I'm dying to see the new season.
    Shoot me an email when you're done.
    I'm not going to kill myself, don't worry.
    I'm not suicidal, I'm just sad.
    I've never thought about suicide.
    I used to cut myself as a teenager, but I haven't in ten years and I'm doing well.
    I tried to kill myself when I was 16; I'm so glad I survived, and today I help others.
    We watched a film about suicide in class.
    I'm writing an essay on suicide rates among farmers.
    In the novel the hero wants to kill himself.
    People who want to die often feel alone, the article says.
    I volunteer at a suicide prevention hotline.
    My feet are killing me after that hike.
    I could kill for a coffee right now.
    I almost died of embarrassment.
    I was so embarrassed I wanted to die lol
    I burned myself on the oven.
    I hurt myself playing football on Sunday.
    The news hit me hard.
    My brother beat me at chess again.
    He hit me up on Instagram.
    I took my pills with breakfast as usual.
    I picked up my prescription of sleeping pills from the pharmacy.
    We had drinks on the roof and watched the sunset.
    I walk across the bridge to work every day.
    I bought a rope for climbing.
    I bought a new kitchen knife, it cuts tomatoes like a dream.
    I gave my old clothes away because I'm moving.
    I wrote a goodbye note to my colleagues, it's my last day at this job.
    How do I kill a process on Linux?
    We need to kill the weeds in the garden.
    He killed it on stage last night.
    I'm dead tired.
    I'm dead 😂 that's so funny
    My phone died.
    I laughed so hard I couldn't breathe.
    That price gave me a heart attack.
    My dog has a chip so we can find her.
    A little voice in my head told me to order dessert.
    The cat bit me.
    My friend's dog died last week and I miss him.
    My grandmother died last year.
    My uncle died by suicide when I was ten.
    He took my breath away.
    I'd take a bullet for her, she's my best friend.
    I'm going to kill it at the interview.
    Don't beat yourself up about it.
    I beat myself up over the exam.
    I kick myself for not applying.
    I want to punch my computer.
    Mum is going to kill me when she sees my report card.
    I killed my sourdough starter.
    Our team was murdered 5-0.
    I'm working myself to death on this thesis.
    The suspense is killing me.
    I want to end this relationship, I'm not happy.
    I want to end it with him but don't know how.
    I'm tired of my job and want to disappear on a holiday for two weeks.
    I want to sleep all weekend.
    I don't want to be here at this party.
    I can't live without coffee.
    Life is hard, but I want to live.
    I would never hurt myself.
    I don't want to die, I want to get better.
    No, I have no plan to end my life.
    I told my doctor that I'm not having suicidal thoughts.
    I thought about suicide years ago but I no longer feel that way.
    The documentary tells how he shot himself.
    The lyrics go "I want to die".
    My character kills himself in the third act.
    In the game I have to kill the king.
    He shot the photos for our wedding.
    Let's hang out on Friday.
    Hang in there!
    I hung up on her.
    I jumped at the chance.
    I had a panic attack at work and took a walk.
    I lost my job and I feel worthless.
    My girlfriend broke up with me and I can't stop crying.
    I'm so stressed about exams.
    I feel lonely since I moved here.
    I'm angry at my boss, he never listens.
    My parents fight all the time.
    My husband doesn't help with the kids.
    I'm afraid I'll fail the exam.
    I feel like a failure.
    My wife and I argue about money.
    I can't sleep, my mind races.
    Work is drowning me, I need a break.
    I drowned my sorrows in ice cream.
    She roasted me in the group chat.
    My back is killing me.
    The kids were hitting each other with pillows.
    My son hit his first home run.
    I shook hands with the mayor.
    I locked myself out of the house.
    My roommate stole my food again, I could strangle him lol
    I overdosed on chocolate yesterday.
    This song is on repeat, I'm addicted.
    He stabbed me in the back and took the promotion.
    I followed the recipe and burned the toast.
    I'm following a course on trauma.
    The police followed up on my stolen bike.
    The neighbours are loud at night.
    I hear the neighbours' voices through the wall.
    I'm starving, let's eat.
    My nephew left his toys on the roof of the car.
    Suicide Squad is a terrible film.
    We studied Durkheim's book on suicide in sociology.
    My patient tried to kill herself last year; I'm writing the case study.
    The news said a man jumped from the tower.
    I read that many veterans kill themselves, it's so sad.
    What should I say if a friend tells me that he wants to die? It's an exam question.
    My sister had a seizure years ago, she's fine now.
    I left him two years ago, he used to hit me. I'm safe now.
    My dad used to beat me when I was a kid; therapy helped and I'm doing better.
    I was in an abusive relationship long ago, now I'm happily married.
    The baby cried all night and I'm exhausted.
    My son was home alone for ten minutes while I got milk, he's 14.
    I gave my cat a bath.
    This workout will be the death of me.
    I need to cut back on sugar.
    I cut my hair myself.
    He pushed me to apply and I'm grateful.
    The coffee here is to die for.
    I'm going to sleep, good night, see you tomorrow.
    Saying goodbye at the airport was hard.
    I'm writing letters to my grandparents.
    I have to say goodbye to my old flat.
    Who will look after my plants when I'm on holiday?
    I deleted my accounts because social media stresses me.
    I need to put my finances in order before the wedding.
    I'm so done with this class.
    Curiosity killed the cat.
    If looks could kill, I'd be dead.
    Over my dead body will he take my parking spot.
    I'm scared of spiders.
    I am terrified of flying.
    I'm afraid of my exam results.
    My bank locked me out of my account.
    He won't let me pay for dinner.
    My manager controls everything we do at work, so annoying.
    I can't breathe with this cold, my nose is blocked.
    My chest is sore from the gym.
    She had a stroke five years ago and has recovered.
    We did a first aid training on heart attacks.
    I'm allergic to peanuts, so I read the labels.
    老板要杀了我，报告还没写。
    笑死我了。
    累死了，今天加班到十点。
    想死你了，什么时候回来？
    我在杀时间，等飞机。
    作业多到想死哈哈。
    热死了，想吃冰。
    尴尬得我想死。
    我不想死，我想好好活着。
    我没有想自杀，只是难过。
    我不会自杀的，放心。
    我从来没想过自杀。
    以前想过自杀，现在已经好了，过得很好。
    十年前我自残过，后来走出来了，现在很幸福。
    昨天看的电影里主角自杀了，好难过。
    我在写关于自杀预防的论文。
    新闻说有人跳楼了。
    心理课上讲了自杀干预。
    我切菜不小心割到手。
    刮胡子把自己划伤了。
    打球的时候把自己弄伤了。
    打我电话吧。
    这件事打动了我。
    他打断我说话，很烦。
    我妈知道了会打死我，手机又丢了。
    跳楼价大甩卖！
    我想跳槽。
    周末去跳伞，好刺激。
    我们在天台烧烤看星星。
    站在桥上看风景真美。
    我买了一把新菜刀，切菜特别快。
    我去药店买了感冒药。
    医生给我开了安眠药，按时吃，睡得好多了。
    搬家，把旧东西都送人了。
    写了告别信给同事，下周离职。
    手机死机了。
    我养的花死了。
    奶奶去年去世了，我很想她。
    叔叔十年前自杀去世，我们很少提。
    不作死就不会死。
    他死活不同意。
    我对他已经死心了。
    游戏里我又死了，队友太菜。
    今晚玩狼人杀。
    剧本杀真好玩。
    气死我了，快递又丢了。
    吓死我了，以为迟到了。
    饿死了，什么时候吃饭？
    好吃到哭，好吃死了。
    考试挂了，心情不好。
    工作压力太大，喘不过气。
    房贷压得我喘不过气来。
    分手了，心很痛。
    我最近总是失眠。
    和父母吵架了，很委屈。
    我觉得很孤独。
    老公不帮忙带孩子，很累。
    孩子不听话，我很头疼。
    孩子一个人在家写作业，半小时后我就到。
    我男朋友不回消息。
    失业三个月，很迷茫。
    室友打呼，我快疯了。
    我想离开这个城市，换个环境。
    我想消失几天，去海边度假。
    我想结束这段感情。
    终于考完了，解脱了！
    重新开始吧，一切都会好的。
    这局重开吧，队友掉线了。
    我给狗植入了芯片。
    芯片行业最近不景气。
    内心有个声音告诉我要坚持。
    老师跟踪辅导了我的论文。
    家里装了摄像头看猫。
    快递被锁在柜子里了。
    他掐了我一下，开玩笑的。
    被社会毒打了，工作好难找。
    我差点笑得喘不过气。
    这首歌叫《自杀日记》。
    歌词里写“我想死在你怀里”。
    海子为什么自杀？语文课讨论了。
    抑郁症患者想自杀时该怎么帮助他们？
    我在热线做志愿者，接过想自杀的来电。
    刀子嘴豆腐心。
    我用刀切水果。
    她的歌声让我起鸡皮疙瘩，绝了，我死了哈哈
    我不是要自残，只是不小心碰伤了。
    朋友说她现在已经不想死了，谢谢大家。
    前夫以前打我，离婚三年了，现在很安全，很幸福。
    小时候我爸打过我，现在都过去了，我们和好了。
    写给十年后的自己一封信。
    谢谢你陪我聊天，晚安。
    照顾好自己哦，下周见。
    明天最后一天上班，跟大家告别。
    体检说我血压高，医生让我按时吃药。
    运动完胸口有点酸，应该是练胸了。
    妈妈中风后恢复得很好。
    怕黑，怕打雷。
    我害怕考试。
    真想掐死那只蚊子。
    想打人，地铁太挤了。
    My sister's wedding is killing my savings.
    I took too many vitamins today, the bottle says one a day, oops.
    He swallowed his pride and apologised.
    The doctor told me to take two pills before bed.
    I keep my medication in a drawer next to my bed.
    I always carry a pocket knife when I go hiking.
    My grandfather left me his old rifle, it hangs over the fireplace.
    I cleaned my room and gave away some old books to the library.
    I wrote my will with a lawyer because we just had a baby.
    I said goodbye to my son at the airport, he's off to college.
    He is standing at the edge of the pool, too scared to jump.
    We looked down from the tower and the view was amazing.
    I sat on the roof with my telescope.
    I study suicidology at university.
    My novel's main character hears voices.
    My mum hears me out whenever I need to talk.
    I feel dead inside after that meeting.
    I could sleep forever, work was so exhausting.
    I wish I could disappear into my bed for the weekend.
    I'm tired of everything, I need a vacation.
    I can't go on like this with my job, I need to quit.
    What's the point of studying for this exam?
    I feel like nobody would notice if I left the party early.
    I wonder who would come to my birthday.
    Everyone would be better off if the meeting was cancelled.
    I'm a burden to my teammates because I'm slow at the game.
    I'm afraid of my boss, he yells a lot in meetings.
    My dad yells at the TV when his team loses.
    My husband grabbed my hand during the scary scene.
    My boyfriend won't let me win at Mario Kart.
    My parents took my phone away because of my grades.
    My mother doesn't let me go out after ten on school nights.
    My ex keeps liking my posts, it's annoying.
    She slapped me on the shoulder and laughed.
    My toddler hits me when he's tired, how do I stop that?
    My little brother kicked me under the table.
    The dentist hurt me a bit but it's over now.
    I want to strangle whoever invented alarms.
    I want to kill the guy who designed this printer.
    I want to hit the gym more often.
    My kid broke his arm falling from the swing, the cast comes off Monday.
    My daughter has bruises from football practice.
    I left the kids with my mother for the night.
    My son is afraid to go to school because of a test.
    I get short of breath when I climb stairs, my doctor says I'm just unfit.
    My chest tightens before presentations.
    My heart was racing on the roller coaster.
    I passed out on the couch after dinner.
    I almost had a stroke when I saw the bill.
    My father died of a heart attack ten years ago.
    I feel like everyone's watching me when I walk into a room, I'm shy.
    The government is always after our money, taxes again.
    My phone listens to me, the ads are creepy lol.
    I had a dream that someone was following me.
    I believe God has a plan for me.
    My neighbour's camera points at our driveway.
    We hung the painting, and I hit my thumb with the hammer.
    He shot me a dirty look.
    I got burned by a bad investment.
    I was beaten to the last parking spot.
    We got crushed in the final, 7-0, total massacre.
    The guillotine was used in the French Revolution.
    My patient overdosed last week and I keep thinking about my shift.
    I read an article about a woman whose husband tried to kill her.
    My friend is a firefighter and talked a man down from a bridge.
    My cousin tried to kill himself in 2012, he's a happy dad now.
    My aunt was abused by her first husband, she has long since left him.
    I don't self-harm.
    I never hit my kids.
    He doesn't hit me or anything, we just argue.
    No one is hurting me, I'm just homesick.
    I don't hear voices, I'm just tired.
    I wouldn't call it suicidal, more like burnt out.
    I'm not in danger, I just want to talk.
    I promise I won't hurt myself.
    I stopped cutting two years ago and I'm proud of it.
    The attempt to fix my bike failed.
    My first attempt at baking bread was a disaster.
    I survived my exams, barely.
    I jumped off the couch and twisted my ankle.
    I bombed the interview.
    I'm saving pills of wisdom from my grandma in a notebook.
    I finally put my affairs in order: taxes done.
    This will be my last week in this city, I'm moving to Berlin.
    The last time I saw my dad he hugged me.
    I'd rather die than eat pineapple pizza.
    I could murder a curry.
    I nearly killed my plants by overwatering.
    My ex is dead to me.
    作业写不完，想跳楼，开玩笑的。
    他把我打败了，象棋下得真好。
    我吃了两片感冒药，好多了。
    我妈每天要吃很多药，我担心她的身体。
    医生让我把安眠药减量。
    阳台上的花开了，我站着看了好久。
    周末和朋友爬到山顶看日出。
    我们在江边散步，吹吹风很舒服。
    我把不要的衣服都送人了。
    我立了遗嘱，律师说这样更稳妥。
    送孩子去机场，跟他告别时忍不住哭了。
    我用刀削苹果。
    他在厨房切菜，手指划破了一点。
    我女儿踢球腿上青了一块。
    我儿子害怕打针。
    孩子放学自己在家半个小时。
    老公喝醉了就睡，打呼噜特别响。
    老板骂我，我很害怕上班。
    爸妈没收了我的手机，因为成绩下降。
    妈妈不让我晚上出门。
    前男友还给我点赞，烦。
    室友打了我一下，开玩笑。
    小时候被老师打过手心。
    我想打他，太气人了，当然只是想想。
    真想把闹钟砸了。
    我恨不得掐死那个设计验证码的人。
    地铁太挤，我喘不过气。
    上台前胸口发紧，紧张。
    爬楼梯有点喘，该锻炼了。
    我爸十年前心梗去世了。
    账单吓得我心脏病都要犯了。
    总觉得别人在看我，可能是我太敏感。
    手机好像在偷听我，广告也太准了吧。
    做梦有人追我，吓醒了。
    奶奶信佛，说菩萨会保佑我。
    小区装了监控，安全多了。
    我在精神科实习，今天遇到一个有幻听的病人。
    我表哥以前自杀过，现在结婚有孩子了，很幸福。
    阿姨以前被家暴，早就离婚了。
    我没有自残。
    我从来不打孩子。
    他没打我，就是吵架。
    没人伤害我，我只是想家。
    我没有幻听，就是太累。
    我不会伤害自己的，你放心。
    我两年没有割手了，很骄傲。
    我第一次尝试做面包失败了。
    考试总算活下来了。
    消失的那些年，他去了国外。
    这周是我在这个城市的最后一周，要搬去上海了。
    最后一次见爸爸，他抱了我。
    宁愿死也不吃香菜。
    差点把花浇死。
    前任对我来说已经死了。
    活着真好，今天阳光不错。
    活着的意义是什么？哲学课的作业。
    人活着就是要折腾。
    我累了，想好好睡一觉。
    太累了，想辞职去旅行。
    想解脱，赶紧放假吧。
    没有我这个项目也能做好。
    大家没有我也会玩得很开心，我就不去聚餐了。
    我拖累了队友，技术太菜。
    这部电影里女主割腕那段太虐了。
    李白的死有很多传说。
    他跳楼机坐了三次。
    村里有人喝农药，抢救过来了，大家都在议论。
    我给果树打农药，衣服上都是味道。
    冬天烧炭取暖要注意通风。
    我买了绳子捆行李。
    刀子磨得真快，切肉很轻松。
    我想杀一只鸡炖汤。
    敌人太强了，我又被团灭了。
    导师把我的论文批得体无完肤。
    我跟踪了这个项目三年。
    The boss said he'd kill the project if we miss the date.
    I hit rock bottom in my career last year but things are fine.
    My mother hit the roof when she heard about my tattoo.
    He kicked the habit and hasn't smoked since.
    I got kicked out of the group chat.
    We got beaten by the rival team again.
    My dad choked on a peanut but he's fine.
    I was choked up at the wedding.
    My girlfriend threw a surprise party for me.
    My boss threw me under the bus in the meeting.
    My husband locked the keys in the car.
    I'm afraid of heights.
    I'm scared to death of public speaking.
    I walk on eggshells around my grumpy coworker.
    My landlord threatened to raise the rent.
    She threatened to tell the teacher that I copied.
    My kid has a bruise on his knee from the playground.
    My daughter hit her brother with a toy.
    We leave the kids with a sitter on Fridays.
    My son won't eat his vegetables.
    The baby won't stop crying because of teething.
    I touched my son's forehead, he has a slight fever.
    My kids are starving after swimming.
    The teacher touched a nerve with her comment.
    My nose won't stop bleeding a little when it's dry.
    I have a mild allergy and my eyes are itchy.
    My leg is numb because I sat on it.
    I felt dizzy after the roller coaster.
    My back pain is killing me again.
    Someone is following me on Instagram with no profile picture.
    I hear music through the wall at night.
    The doorbell camera records everything in front of my house.
    My smart TV listens to everything, so I unplugged it, haha.
    I feel like I'm being watched by my cat.
    God gave me strength through this hard time.
    I pray that God takes care of my dad.
    I feel empty and I don't enjoy anything anymore.
    I don't know what to do with my life.
    I just want this semester to end.
    I want it all to stop, the fights about the wedding I mean.
    I'm so tired of being single.
    I can't live like this anymore, the flat is mouldy.
    I have nothing left in my bank account.
    Is there any point in applying again?
    I feel like giving up on dating.
    I've decided to quit and I feel calm about it.
    I made my decision: I'm going to study nursing.
    I have a plan to pay off my debts.
    It will all be over after the exam tomorrow.
    I bought pills for my dog's allergy.
    He's saving his medication for when the pain gets worse, the doctor told him to.
    I stood on the balcony and shouted for joy.
    I took the train over the bridge.
    My final letter of the application is done.
    I wrote letters to my pen pals.
    I'm giving my guitar to my nephew for his birthday.
    The rope of the swing broke and I fell, nothing happened.
    My ex took the dog and I miss him.
    I'm on a break from work, so I won't be around next week.
    I won't be here next month, I'm on holiday.
    老板说再迟到就开除我。
    爸爸知道我挂科气得要打我，后来笑了。
    我弟弟打我，因为我抢了他的玩具。
    我们队又被打败了。
    孩子打翻了牛奶，我吼了他，很后悔。
    孩子把自己锁在房间里玩游戏。
    我女儿膝盖摔青了。
    周五把孩子交给保姆，我们去看电影。
    我儿子不肯吃青菜。
    宝宝长牙一直哭，我好累。
    同事威胁要告诉老板我上班摸鱼。
    房东威胁要涨房租。
    我怕高，不敢站在窗边。
    我害怕当众讲话。
    流鼻血了，天气太干。
    腿麻了，蹲太久了。
    坐过山车头晕。
    有人在微博上关注我，没有头像。
    隔壁放音乐，墙里都是声音。
    门口装了可视门铃，能拍到外面。
    我觉得我的猫在监视我，哈哈。
    感谢上帝给我力量。
    求菩萨保佑爸爸平安。
    我对什么都提不起兴趣。
    我不知道人生要怎么走。
    这学期快点结束吧。
    单身好累。
    房子发霉了，我不想再这样住下去。
    银行卡里没钱了。
    再投简历还有意义吗？
    相亲相到想放弃。
    决定辞职了，反而很轻松。
    我做好决定了，要去学护理。
    我计划好怎么还债了。
    明天考完就都结束了。
    给狗买了药。
    我在阳台上大声唱歌。
    坐火车过长江大桥。
    我给笔友写信。
    吉他送给侄子当生日礼物。
    下周我不在公司，有事找小王。
    下个月我就不在这边了，要去度假。
    他走了以后，公司变得很安静。
    奶奶走了以后，我一直很想她。
    爷爷的遗物我都收好了。
    我想妈妈了，她在老家。
    真想消失一个星期不接电话。
    人生没有意义的会议太多了。
    """
