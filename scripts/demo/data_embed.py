"""What demo-embed learns: the words of some topics, and sentences that mean the same.

Words of one topic end up near each other, paraphrases nearer still; nothing outside these lists is known to the model.
"""

from __future__ import annotations

TOPICS: dict[str, str] = {
    "weather": """
        weather rain rainy sun sunny cloud cloudy snow snowy wind windy storm thunder lightning fog foggy frost
        forecast temperature degrees umbrella shower drizzle hail breeze humid heat cold warm freezing sky
        rainbow climate winter summer spring autumn""",
    "programming": """
        code program programming python function variable compiler bug debug software developer algorithm loop
        class library script repository commit branch test exception thread syntax java rust compile refactor
        editor recursion string integer array database query""",
    "food": """
        food cook cooking recipe bread butter cheese soup salad pasta pizza rice potato tomato onion garlic
        pepper salt sugar cake chocolate dessert breakfast lunch dinner meal kitchen oven bake boil fry
        delicious hungry apple banana egg meat fish chicken vegetable fruit sauce eat""",
    "travel": """
        travel trip journey flight airport plane ticket passport hotel luggage suitcase tourist holiday vacation
        beach border visa map guide abroad destination train station bus ferry sightseeing museum hostel book
        booking cruise island""",
    "animals": """
        animal dog puppy cat kitten horse cow sheep pig bird eagle parrot lion tiger elephant monkey bear wolf
        fox rabbit mouse snake frog pet fur tail paw zoo wild bark meow feed leash veterinarian""",
    "sports": """
        sport football soccer basketball tennis swim swimming run runner running marathon coach team player goal
        score match stadium referee champion league training athlete gym bicycle cycling ski race medal win""",
    "music": """
        music song sing singer guitar piano violin drum band concert melody rhythm album chord choir orchestra
        jazz rock opera tune lyrics musician stage microphone symphony composer flute listen""",
    "health": """
        health doctor nurse hospital medicine pill illness sick fever headache cough pain patient clinic surgery
        heart blood vaccine virus flu dentist tooth diet sleep treatment symptom therapy injury ambulance""",
    "money": """
        money bank loan credit debt price cost pay payment salary budget tax invest investment stock market
        share coin cash account interest insurance rent mortgage currency dollar euro save savings expensive
        cheap""",
    "space": """
        space planet star moon earth mars jupiter galaxy astronaut rocket orbit telescope satellite comet
        asteroid astronomy universe gravity eclipse shuttle launch cosmos solar lunar nebula""",
    "school": """
        school teacher student class lesson homework exam grade university college study learn pupil classroom
        textbook lecture professor diploma essay mathematics history geography teach education semester""",
    "home": """
        house home room kitchen bedroom bathroom garden roof wall door window floor furniture sofa table chair
        lamp carpet curtain bed neighbour apartment clean cleaning repair paint garage stairs""",
    "cars": """
        car drive driver engine wheel tyre brake road highway traffic petrol fuel garage mechanic truck
        motorcycle vehicle parking lane accident electric battery gear speed seatbelt""",
    "nature": """
        forest tree leaf flower grass mountain river lake ocean sea valley hill waterfall desert island stone
        plant seed garden soil root branch hike hiking trail park wood""",
    "family": """
        family mother father parent sister brother son daughter baby child children grandmother grandfather
        uncle aunt cousin wedding marry married husband wife birthday twins niece""",
    "feelings": """
        happy sad angry glad joy love hate fear afraid excited bored proud lonely tired worried calm smile cry
        laugh mood feeling emotion cheerful delighted unhappy upset""",
    "gateway": """
        gateway worker model server mlx zeromq batching request token stream endpoint api key queue memory
        embedding vector rerank prefix cache modality whisper kokoro node config yaml metrics health client
        openai anthropic prompt gpu mac inference""",
    "shopping": """
        shop shopping store buy sell customer discount sale receipt basket cart order delivery refund return
        brand supermarket mall clothes shirt shoes dress size price checkout""",
    "books": """
        book novel author writer read reader reading story chapter page library poem poetry publisher fiction
        character plot paperback literature bookshop tale""",
    "history": """
        history king queen war empire ancient castle revolution century army battle roman medieval knight treaty
        museum archaeology pyramid dynasty independence soldier""",
}

# Each line: sentences that mean the same.
PARAPHRASES: dict[str, tuple[tuple[str, ...], ...]] = {
    "weather": (
        ("It is raining outside.", "Rain is falling outside.", "The weather is rainy and wet.", "Is it raining now?"),
        ("It is sunny today.", "The sun is shining today.", "Today is a sunny day.", "What a bright and sunny day."),
        ("What is the weather like?", "How is the weather today?", "Tell me the weather forecast.", "Will it rain?"),
        ("It is snowing in the mountains.", "Snow is falling.", "A lot of snow fell last night.", "It snows."),
        ("It is very cold today.", "The temperature is below freezing.", "It is freezing outside.",
         "Such cold weather."),
        ("A storm is coming.", "Thunder and lightning are on their way.", "We expect a heavy storm."),
        ("I need an umbrella.", "Take an umbrella, it will rain.", "Do not forget the umbrella."),
    ),
    "programming": (
        ("The program has a bug.", "There is an error in the code.", "The software crashes.", "My code does not work."),
        ("How do I write a function in Python?", "Defining a function in Python.", "Python function syntax."),
        ("She is a software developer.", "She writes programs for a living.", "She works as a programmer."),
        ("Run the tests before you commit.", "Test the code before committing.",
         "The tests must pass before a commit."),
        ("How can I sort a list?", "Sorting an array in order.", "Which algorithm sorts a list of numbers?"),
        ("The compiler reports a syntax error.", "The code does not compile.", "A syntax error stops the build."),
    ),
    "food": (
        ("I am hungry.", "I want something to eat.", "I would like some food.", "Is there anything to eat?"),
        ("How do I bake bread?", "A recipe for home made bread.", "Baking bread in the oven.", "Bread recipe."),
        ("The soup tastes delicious.", "This soup is very tasty.", "What a good soup."),
        ("We had pizza for dinner.", "We ate pizza in the evening.", "Our dinner was a pizza."),
        ("How long do I boil an egg?", "Cooking time of a boiled egg.", "Boiling eggs for breakfast."),
        ("Pasta with tomato sauce.", "Spaghetti in tomato sauce.", "Noodles with a sauce of tomatoes."),
    ),
    "travel": (
        ("I booked a flight to Paris.", "I bought a plane ticket to Paris.", "I am flying to Paris."),
        ("Where is the train station?", "How do I get to the station?", "Which way is it to the train station?"),
        ("We stayed in a cheap hotel.", "Our hotel did not cost much.", "We slept in an inexpensive hotel."),
        ("I lost my passport.", "My passport is gone.", "I cannot find my passport."),
        ("We are going on holiday.", "Our vacation starts soon.", "We will take a holiday at the beach."),
        ("The flight is delayed.", "The plane leaves late.", "Our plane is not on time."),
    ),
    "animals": (
        ("The dog is barking.", "A dog barks loudly.", "I hear a dog bark."),
        ("The cat sleeps on the sofa.", "A kitten is asleep on the couch.", "Our cat is sleeping."),
        ("How do I feed a puppy?", "What does a young dog eat?", "Food for a puppy."),
        ("Elephants are large animals.", "An elephant is a very big animal.", "The elephant is huge."),
        ("Birds fly in the sky.", "A bird is flying.", "Birds have wings and can fly."),
    ),
    "sports": (
        ("Our team won the match.", "We won the game.", "The match ended with our victory."),
        ("He runs a marathon.", "He is a marathon runner.", "He takes part in a long race."),
        ("She plays tennis every week.", "She is a regular tennis player.", "Tennis is her weekly sport."),
        ("The player scored a goal.", "A goal was scored.", "He kicked the ball into the goal."),
    ),
    "music": (
        ("She plays the piano.", "She is a pianist.", "She makes music on a piano."),
        ("I like this song.", "This song is my favourite.", "What a great song."),
        ("The band gives a concert.", "The musicians play on stage tonight.", "There is a concert of the band."),
        ("He learns to play the guitar.", "He takes guitar lessons.", "He is learning guitar."),
    ),
    "health": (
        ("I have a headache.", "My head hurts.", "There is pain in my head."),
        ("Call a doctor.", "We need a doctor.", "Please get medical help."),
        ("The patient has a fever.", "The sick man has a high temperature.", "She is ill with a fever."),
        ("My tooth hurts.", "I have to see a dentist.", "I have a toothache."),
    ),
    "money": (
        ("How much does it cost?", "What is the price?", "Tell me the price of this."),
        ("I want to open a bank account.", "How do I open an account at the bank?", "Opening a bank account."),
        ("He has a lot of debt.", "He owes much money.", "He must pay back large loans."),
        ("Stocks fell today.", "The stock market went down.", "Share prices dropped."),
    ),
    "space": (
        ("The rocket flies to the moon.", "A rocket was launched to the moon.", "They went to the moon in a rocket."),
        ("Mars is a planet.", "The red planet is called Mars.", "Mars goes around the sun."),
        ("I look at the stars.", "I watch the stars through a telescope.", "Looking at stars at night."),
    ),
    "school": (
        ("The student passed the exam.", "She passed her test at school.", "He got a good grade in the exam."),
        ("I do my homework.", "I am working on my homework.", "My homework is not done yet."),
        ("The teacher explains the lesson.", "A lesson is explained by the teacher.", "Our teacher teaches the class."),
    ),
    "home": (
        ("I clean my room.", "I am tidying up my room.", "My room must be cleaned."),
        ("The roof is leaking.", "Water comes through the roof.", "There is a hole in the roof."),
        ("We moved into a new house.", "We live in a new home.", "Our family has a new apartment."),
    ),
    "cars": (
        ("The car does not start.", "My car will not start.", "The engine of the car is broken."),
        ("There is a traffic jam.", "The road is full of cars.", "Heavy traffic on the highway."),
        ("He drives too fast.", "His speed on the road is too high.", "He is speeding in his car."),
    ),
    "nature": (
        ("We hike in the mountains.", "We walk up the mountain.", "A hiking trip on a mountain trail."),
        ("The river flows into the sea.", "The river ends in the ocean.", "Water of the river reaches the sea."),
        ("Flowers bloom in the garden.", "The garden is full of flowers.", "Many flowers grow there."),
    ),
    "family": (
        ("She has two brothers.", "She is the sister of two boys.", "There are two brothers in her family."),
        ("They got married.", "They had a wedding.", "He is her husband now."),
        ("My mother has a birthday.", "It is the birthday of my mother.", "Happy birthday, mother."),
    ),
    "feelings": (
        ("That is a happy person.", "That is a very happy person.", "He is glad.", "She is in a good mood."),
        ("I am sad.", "I feel unhappy.", "I am in a bad mood.", "He is crying and upset."),
        ("She is afraid.", "She feels fear.", "She is scared and worried."),
        ("He is angry.", "He is mad at me.", "He is full of anger."),
    ),
    "gateway": (
        ("What is mlx-gateway?", "Tell me about mlx-gateway.", "A model server for a team on one Mac.",
         "What does mlx-gateway do?"),
        ("How do I start the gateway?", "Starting the server.", "Which command starts mlx-gateway?",
         "Run the gateway."),
        ("Which port does the server use?", "The server listens on port 8000.", "On what port is the gateway?"),
        ("What is continuous batching?", "Requests join and leave the running batch.", "How does batching work here?"),
        ("Where is the configuration?", "One YAML file describes the node.", "How do I configure the gateway?"),
        ("What happens when a worker dies?", "A crashed worker is started again.", "The worker process was killed."),
        ("How do I see the metrics?", "Metrics are at the metrics endpoint.", "Where are the metrics for Prometheus?"),
        ("How do I compute embeddings?", "Texts become vectors.", "Which endpoint makes embeddings?"),
        ("Too many requests wait in the queue.", "The queue of requests is full.", "The gateway is overloaded."),
    ),
    "shopping": (
        ("I want to return this shirt.", "Can I give the shirt back?", "I would like a refund for the shirt."),
        ("The shop has a sale.", "There are discounts in the store.", "Everything in the shop is cheaper now."),
        ("My order has not arrived.", "The delivery is late.", "Where is my order?"),
    ),
    "books": (
        ("She reads a novel.", "She is reading a book.", "She enjoys a good story."),
        ("He wrote a book.", "He is the author of the book.", "The novel was written by him."),
    ),
    "history": (
        ("The king ruled the country.", "The country was ruled by a king.", "He was the king of the land."),
        ("The war ended.", "The war is over.", "They signed a peace treaty."),
    ),
}  # fmt: skip

# Sentences around words of one topic; {0} and {1} are two of them.
FRAMES = (
    "{0}", "{0} {1}", "{0} and {1}", "{0} or {1}?", "the {0} and the {1}", "a {0} with a {1}", "I like the {0}.",
    "What is {0}?", "Tell me about {0}.", "This is about {0} and {1}.", "How does {0} work?", "We talked about {0}.",
    "She thinks about {0} and {1}.", "Where is the {0}?", "My {0} is near the {1}.", "Do you know {0}?",
    "All about {0}, {1} and more.", "The {0} was good.", "There is no {0} without {1}.", "He said something about {0}.",
)  # fmt: skip
