"""What tells languages apart that share an alphabet: their function words and peculiar letters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FUNCTION_WORDS: Final[Mapping[str, str]] = {
    "en": "the and of to in is that it for was on are as with his they at be this have from or had by not "
    "but what all were when we there can an your which their how if do will each about please my me "
    "you hi hello hey thanks yes would should could write explain give why where who does did it's "
    "don't i'm i",
    "de": "der die und das ist nicht ein eine zu mit den auf für von dem sich des im auch es an werden "
    "aus er hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben "
    "nur oder aber vor zur bis mehr durch man ich wir mir mich bitte kann was wer warum schreibe du "
    "dein meine",
    "fr": "le la les de des du et est un une en que qui dans pour pas sur au avec ce il elle sont plus "
    "par je ne se nous vous mais ou où comme cette été tout être aux fait ses leur même bien deux "
    "peut moi s'il plaît c'est qu'est quel quelle comment pourquoi écris mon ma mes votre l'homme "
    "d'un d'une",
    "es": "el la los las de que y en un una es por con no para se del al lo como más pero sus le ya o "
    "este sí porque esta entre cuando muy sin sobre también me hasta hay donde quien desde todo nos "
    "durante qué cómo cuál dime escribe puedes mi tu está son fue ser tiene yo hola gracias",
    "pt": "o a os as de que e do da em um uma para é com não por mais dos como mas foi ao ele das tem à "
    "seu sua ou ser quando muito há nos já está eu também só pelo pela até isso ela entre era "
    "depois sem mesmo aos você me qual escreva olá obrigado são na no meu minha pode",
    "it": "il la di che e è un una in per non con del da si le dei al lo come più ma sono della i gli "
    "alla nel dal questo anche ha o se ci mi su delle perché chi cosa quando dove essere stato "
    "molto fatto tutti puoi scrivi ciao grazie io tu mio mia quale nella degli",
    "nl": "de het een en van ik te dat die in is niet op aan met als voor er maar om hem dan zou of wat "
    "mijn men dit zo door over ze zich bij ook tot je mij uit der daar naar heb hoe heeft hebben "
    "deze u want nog zal me zij nu ge geen kan worden wordt waarom schrijf kun",
    "sv": "och i att det som en på är av för med till den har de inte om ett han men var jag sig från vi "
    "så kan man när år under också efter eller nu sin där vid mot ska skulle kommer ut vad hur "
    "varför skriv du mig min din detta",
    "da": "og i at det som en på er af for med til den har de ikke om et han men var jeg sig fra vi så "
    "kan man når også efter eller nu sin der ved mod skal ville hvad hvordan hvorfor skriv du mig "
    "min din dette blev være meget",
    "no": "og i at det som en på er av for med til den har de ikke om et han men var jeg seg fra vi så "
    "kan man når også etter eller nå sin der ved mot skal ville hva hvordan hvorfor skriv du meg "
    "min din dette ble være veldig",
    "fi": "ja on ei se että hän oli ovat en mutta kun niin kuin ole mitä tämä sen joka myös minä sinä me "
    "te he jos vain ollut voi kuinka miksi missä kirjoita mikä nyt sitten vielä hänen sekä tai olla "
    "minun",
    "pl": "i w na z do nie się że to jest o jak za po ale co od są czy przez dla tak tym który był być "
    "tylko może ja ty on ona jego jej już przed oraz lub gdzie kiedy dlaczego napisz proszę mnie mi "
    "mój które",
    "cs": "a v na je se že to s z do o jak ale za po co jsou by být který jako pro od jsem tak už nebo "
    "když kde proč napiš prosím mi můj také byl může však jeho této jaký",
    "sk": "a v na je sa že to s z do o ako ale za po čo sú by byť ktorý pre od som tak už alebo keď kde "
    "prečo napíš prosím mi môj tiež bol môže však jeho tejto aký",
    "hu": "a az és hogy nem is egy ez van de meg volt csak ha mint már el ki azt vagy még be sem le "
    "minden lesz mert kell lehet ezt én te ő mi hogyan miért írj mit kérem nekem",
    "ro": "și în de la a nu cu pe este că o un din se mai sunt pentru care au ce ca fi sau dar după când "
    "unde cum scrie te rog mi îmi eu tu el ea fost acest această lui prin",
    "tr": "ve bir bu için de da ile ne o çok olarak daha var gibi en ama olan kadar sonra ben sen biz siz "
    "onlar mi mı mu değil nasıl neden nerede yaz lütfen bana benim şu her veya ya ki olduğu",
    "vi": "và của là có không được cho một các trong này với những người để từ khi đã như tôi bạn về cũng "
    "hãy làm thế nào tại sao viết đến ra ở sẽ giải thích nhưng",
    "id": "yang dan di untuk dengan ini itu dari tidak pada adalah ke dalam akan saya anda juga bisa ada "
    "atau karena bagaimana apa mengapa tolong jelaskan tulis kami kita mereka sudah oleh sebagai "
    "lebih",
    "ca": "el la els les de que i en un una és per amb no del al com més però ho aquest aquesta també són "
    "què dels ha meu meva si us plau escriu quan on perquè molt",
    "hr": "i u na je se da to za s od koji ali kao po što su ne o bi ili biti može sam kako zašto napiši "
    "molim mi moj također bio gdje kada ovaj samo",
    "ru": "и в не на что я с он а как это по но они к у ты из мы за вы так же от напиши объясни "
    "пожалуйста мне мой меня был была есть чтобы который почему где когда привет спасибо да нет их "
    "его её дела если",
    "uk": "і в не на що я з він а як це по але вони до у ти ми за ви так та напиши поясни будь ласка мені "
    "мій чому де коли є був була який привіт дякую",
    "bg": "и в не на че да се от за е по с като са но аз той това как защо обясни моля ми какво къде кога "
    "здравей бъде който има",
}

PECULIAR: Final[Mapping[str, str]] = {
    "de": "äöüß",
    "fr": "éèêçœàùî",
    "es": "ñ¿¡áíóú",
    "pt": "ãõçê",
    "it": "àèìòù",
    "sv": "åäö",
    "da": "æøå",
    "no": "æøå",
    "fi": "äö",
    "pl": "ąćęłńśźż",
    "cs": "ěřůčšž",
    "sk": "ľĺŕôäčšž",
    "hu": "őűáéö",
    "ro": "ășțâî",
    "tr": "ğışçöü",
    "vi": "ăâđêôơưạảấầẩậắặẹẻếềểệịọỏốồổộớờợụủứừửựỳỷỹ",
    "ca": "·àèòç",
    "hr": "čćđšž",
    "ru": "ыэъё",
    "uk": "іїєґ",
    "bg": "ъщ",
}
"""A letter tells little by itself; as many as half a function word each."""
